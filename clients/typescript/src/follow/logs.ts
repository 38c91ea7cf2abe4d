import type { Backend, PlacedLogRow } from "../backend.js";
import { type Cursor, decode, encode, MOST_OPEN, type OpenCommand } from "./cursor.js";
import { retrying } from "./retry.js";
import { SharedReads } from "./shared.js";
import { unlessAborted, untilAborted } from "./signal.js";
import { unread } from "./unread.js";

/** What happens to a command of a pod's log. `cursor` goes on behind it, as `after` of {@link LogOptions}. */
export type LogEvent = { cursor: string; id: string } & (
  | {
      type: "command";
      timestamp: Date;
      /** As run on the host. */
      command: string;
      /** As run inside the pod; null for an infrastructure command. */
      containerCommand: string | null;
      label: string | null;
      jobId: string | null;
    }
  /** New output. */
  | { type: "output"; stdout: string; stderr: string }
  /** `duration` is in milliseconds. Both are null where the row was deleted before the end was read. */
  | { type: "end"; exitCode: number | null; duration: number | null }
);

export interface LogOptions {
  /** The cursor of the last event that was read; the beginning if left out. */
  after?: string | undefined;
  /** Go on with what comes, until the signal is aborted. */
  follow?: boolean | undefined;
  /** Commands that were run on the host, too. */
  all?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

interface Portion {
  events: readonly LogEvent[];
  next: Cursor;
  isLast: boolean;
}

/** Reads logs. */
export class LogReader {
  readonly #backend: Backend;
  readonly #portions = new SharedReads<Portion>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  read(podId: string, { after = "", follow = false, all = false, signal }: LogOptions): AsyncIterableIterator<LogEvent> {
    return untilAborted((signal) => this.#read(podId, after, follow, all, signal), signal);
  }

  async *#read(
    podId: string,
    after: string,
    follow: boolean,
    all: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<LogEvent, void> {
    let cursor = decode(podId, after);
    const changes = follow ? this.#backend.subscribe(podId) : undefined;
    try {
      for (;;) {
        const at = JSON.stringify([podId, all, cursor]);
        const read = () => this.#portions.get(at, () => this.#portion(podId, all, cursor));
        const portion = follow ? await retrying(read, signal) : await unlessAborted(read(), signal);
        yield* portion.events;
        cursor = portion.next;
        if (!portion.isLast) continue;
        if (!changes) return;
        await changes.changed(signal);
      }
    } finally {
      changes?.close();
    }
  }

  async #portion(podId: string, all: boolean, from: Cursor): Promise<Portion> {
    const told = new Portions(podId, from);
    const grown = from.open.length > 0 ? await this.#backend.logRowsById(podId, from.open) : [];
    told.grown(new Map(grown.map((row) => [row.id, row])));
    const { rows, isLast } = await this.#backend.logRows(podId, all, from.after);
    for (const row of rows) told.begun(row);
    return { events: told.events, next: told.cursor, isLast };
  }
}

/** Tells rows as events, each with the cursor behind it. */
class Portions {
  readonly events: LogEvent[] = [];
  readonly #podId: string;
  cursor: Cursor;

  constructor(podId: string, cursor: Cursor) {
    this.#podId = podId;
    this.cursor = cursor;
  }

  /** What has come to the commands that were open. */
  grown(rows: ReadonlyMap<string, PlacedLogRow>): void {
    for (const at of this.cursor.open) {
      const row = rows.get(at.id);
      if (row) {
        this.#goOn(row, at);
      } else {
        this.#close(at.id);
        this.#push({ type: "end", id: at.id, exitCode: null, duration: null });
      }
    }
  }

  begun(row: PlacedLogRow): void {
    const { id, micros, timestamp, command, containerCommand, label, jobId } = row;
    const at = { id, stdout: 0, stderr: 0 };
    this.cursor = { after: { micros, id }, open: [...this.cursor.open, at].slice(-MOST_OPEN) };
    this.#push({ type: "command", id, timestamp, command, containerCommand, label, jobId });
    this.#goOn(row, at);
  }

  #goOn(row: PlacedLogRow, at: OpenCommand): void {
    const stdout = unread(row.stdout ?? "", row.stdoutFrom, at.stdout);
    const stderr = unread(row.stderr ?? "", row.stderrFrom, at.stderr);
    this.#close(row.id);
    this.cursor = { ...this.cursor, open: [...this.cursor.open, { id: row.id, stdout: stdout.end, stderr: stderr.end }] };
    if (stdout.text || stderr.text) this.#push({ type: "output", id: row.id, stdout: stdout.text, stderr: stderr.text });
    if (row.exitCode === null) return;
    this.#close(row.id);
    this.#push({ type: "end", id: row.id, exitCode: row.exitCode, duration: row.duration });
  }

  #close(id: string): void {
    this.cursor = { ...this.cursor, open: this.cursor.open.filter((command) => command.id !== id) };
  }

  #push(event: DistributiveOmit<LogEvent, "cursor">): void {
    this.events.push({ ...event, cursor: encode(this.#podId, this.cursor) } as LogEvent);
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
