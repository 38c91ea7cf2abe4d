import type { Backend, PlacedLogRow } from "../backend.js";
import { type Cursor, decode, encode, type OpenCommand } from "./cursor.js";
import { retrying } from "./retry.js";
import { SharedReads } from "./shared.js";

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

/** Rows that are held in memory at a time; each may have 2 MiB. */
const PAGE_ROWS = 20;

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

  async *read(podId: string, options: LogOptions): AsyncGenerator<LogEvent, void> {
    const { after = "", follow = false, all = false, signal } = options;
    let cursor = decode(after);
    const changes = follow ? this.#backend.subscribe(podId) : undefined;
    try {
      for (;;) {
        signal?.throwIfAborted();
        const at = JSON.stringify([podId, all, cursor]);
        const read = () => this.#portions.get(at, () => this.#portion(podId, all, cursor));
        const portion = follow ? await retrying(read, signal) : await read();
        yield* portion.events;
        cursor = portion.next;
        if (!portion.isLast) continue;
        if (!changes) return;
        await changes.changed(signal);
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    } finally {
      changes?.close();
    }
  }

  async #portion(podId: string, all: boolean, from: Cursor): Promise<Portion> {
    const events: LogEvent[] = [];
    let after = from.after;
    let open = from.open;
    const push = (event: DistributiveOmit<LogEvent, "cursor">) => {
      events.push({ ...event, cursor: encode({ after, open }) } as LogEvent);
    };
    const goOn = (row: PlacedLogRow, at: OpenCommand) => {
      const rest = open.filter(({ id }) => id !== row.id);
      const stdout = unread(row.stdout ?? "", at.stdout);
      const stderr = unread(row.stderr ?? "", at.stderr);
      open = [...rest, { id: row.id, stdout: stdout.end, stderr: stderr.end }];
      if (stdout.text || stderr.text) push({ type: "output", id: row.id, stdout: stdout.text, stderr: stderr.text });
      if (row.exitCode !== null) {
        open = rest;
        push({ type: "end", id: row.id, exitCode: row.exitCode, duration: row.duration });
      }
    };

    const ids = open.map(({ id }) => id);
    const rows = new Map((ids.length > 0 ? await this.#backend.logRowsById(podId, ids) : []).map((row) => [row.id, row]));
    for (const at of from.open) {
      const row = rows.get(at.id);
      if (row) {
        goOn(row, at);
      } else {
        open = open.filter(({ id }) => id !== at.id);
        push({ type: "end", id: at.id, exitCode: null, duration: null });
      }
    }
    const page = await this.#backend.logRows(podId, all, after, PAGE_ROWS);
    for (const row of page) {
      const { id, micros, timestamp, command, containerCommand, label, jobId } = row;
      after = { micros, id };
      open = [...open, { id, stdout: 0, stderr: 0 }];
      push({ type: "command", id, timestamp, command, containerCommand, label, jobId });
      goOn(row, { id, stdout: 0, stderr: 0 });
    }
    return { events, next: { after, open }, isLast: page.length < PAGE_ROWS };
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** The line that stands for the cut-out middle of a long output. */
const CUT = /\n\[… (\d+) bytes cut …\]\n/;

/**
 * The part of a stored output behind its first `read` bytes, and how many bytes it has in all. Bytes are counted in what
 * the command printed, so that a place keeps its meaning when the worker cuts out the middle.
 */
function unread(text: string, read: number): { text: string; end: number } {
  const bytes = Buffer.from(text);
  const cut = CUT.exec(text);
  if (!cut) return { text: bytes.subarray(read).toString(), end: bytes.length };
  const head = Buffer.byteLength(text.slice(0, cut.index));
  const line = Buffer.byteLength(cut[0]);
  const missing = Number(cut[1]);
  const end = bytes.length - line + missing;
  // Somebody who has read beyond the cut sees no line about it.
  const from = read <= head ? read : read < head + missing ? head : read - missing + line;
  return { text: bytes.subarray(from).toString(), end };
}
