import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";

import { type Client, createClient } from "@pinacle/client";
import { createFakeClient } from "@pinacle/client/testing";

import { Database, WORKER } from "./database.js";

/** A client whose jobs are done. */
export interface World {
  client: Client;
  /** Ends when no job is left. */
  work(): Promise<void>;
}

export function fakeWorld(): World {
  // As a shell would, as far as the tests need one.
  const run = (command: string) => {
    const echoed = /^echo (.*?)(?: >&2)?(?:; exit (\d+))?$/.exec(command)!;
    const text = `${echoed[1]}\n`;
    const exitCode = Number(echoed[2] ?? 0);
    return command.includes(">&2") ? { stderr: text, exitCode } : { stdout: text, exitCode };
  };
  const { client, worker } = createFakeClient({ run });
  return { client, work: () => worker.run() };
}

/** With the real worker, and the development stack's pod host. */
export async function realWorld(): Promise<World> {
  const database = await Database.create();
  const host = (name: string) => process.env[`PINACLE_DEV_SSH_${name}`]!;
  await database.worker([
    ...["servers", "add", "host", "--ssh-host", host("HOST"), "--ssh-port", host("PORT"), "--ssh-user", host("USER")],
    ...["--host-key", host("HOST_KEY"), "--cpu-cores", "2", "--memory-mb", "8192", "--disk-gb", "100"],
  ]);
  const env = { ...process.env, DATABASE_URL: database.ownerUrl, HTTP_ADDR: "127.0.0.1:0", RUST_LOG: "warn" };
  const worker = spawn(WORKER, ["run"], { env, stdio: ["ignore", "ignore", "inherit"] });
  const client = createClient({ pool: database.pool() });
  const work = async () => {
    for (const pod of await client.pods.list({ includeDestroyed: true })) {
      for (const job of await client.jobs.list({ podId: pod.id })) await client.jobs.wait(job.id);
    }
  };
  after(async () => {
    for (const pod of await client.pods.list()) await client.jobs.enqueue(pod.id, "destroy");
    await work();
    await end(worker);
    await database.drop();
  });
  return { client, work };
}

async function end(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null) throw new Error(`the worker ended with code ${worker.exitCode}`);
  worker.kill("SIGTERM");
  await once(worker, "exit");
}
