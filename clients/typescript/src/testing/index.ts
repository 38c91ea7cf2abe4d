import { Client } from "../client.js";
import { MemoryBackend } from "./memory.js";
import { FakeWorker, type RunCommand } from "./worker.js";

export type { CommandResult, FakeWorker, RunCommand } from "./worker.js";

export interface FakeOptions {
  /** What a command in a pod prints, and how it ends; without it, every command succeeds and prints nothing. */
  run?: RunCommand | undefined;
}

/**
 * A client over pods and jobs in memory, for the app's own tests, and the worker that takes its jobs. There is one server
 * with room for all. A `tx` is not looked at: its rollback takes nothing back.
 */
export function createFakeClient({ run = () => ({}) }: FakeOptions = {}): { client: Client; worker: FakeWorker } {
  const backend = new MemoryBackend();
  return { client: new Client(backend), worker: new FakeWorker(backend, run) };
}
