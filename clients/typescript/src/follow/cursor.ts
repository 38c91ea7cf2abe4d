import type { LogPlace } from "../backend.js";
import { InvalidInput } from "../errors.js";

/** A command that still runs, and how many bytes of its output were read. */
export interface OpenCommand {
  id: string;
  stdout: number;
  stderr: number;
}

/** Where a reader of a log is. */
export interface Cursor {
  /** The last row whose beginning was read. */
  after: LogPlace | null;
  /** Rows up to there that have more to come. */
  open: readonly OpenCommand[];
}

export const START: Cursor = { after: null, open: [] };

/** How many commands a cursor holds open. A pod runs one at a time; more than one is left by a worker that died. */
export const MOST_OPEN = 32;
const LONGEST = 8_192;

type Packed = [podId: string, micros: string, id: string, ...open: [id: string, stdout: number, stderr: number][]];

/** As a text for a header or a URL, opaque to its bearer. */
export function encode(podId: string, { after, open }: Cursor): string {
  if (after === null) return "";
  const packed = open.map(({ id, stdout, stderr }) => [id, stdout, stderr]);
  return Buffer.from(JSON.stringify([podId, after.micros, after.id, ...packed])).toString("base64url");
}

/** @throws {InvalidInput} it is not what {@link encode} made for this pod; it may come from anybody */
export function decode(podId: string, text: string): Cursor {
  if (text === "") return START;
  const packed = text.length <= LONGEST ? parse(text) : null;
  if (!isPacked(packed) || packed[0] !== podId) {
    throw new InvalidInput("The log's cursor is not one of this pod's. Read the log from its beginning.");
  }
  const [, micros, id, ...open] = packed;
  return { after: { micros, id }, open: open.map(([id, stdout, stderr]) => ({ id, stdout, stderr })) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    return null;
  }
}

function isPacked(value: unknown): value is Packed {
  if (!Array.isArray(value)) return false;
  const [podId, micros, id, ...open] = value as unknown[];
  return (
    [podId, id].every((text) => typeof text === "string") &&
    typeof micros === "string" &&
    /^\d{1,16}$/.test(micros) &&
    open.length <= MOST_OPEN &&
    open.every(isOpen) &&
    new Set(open.map(([id]) => id)).size === open.length
  );
}

function isOpen(value: unknown): value is [id: string, stdout: number, stderr: number] {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [id, stdout, stderr] = value as unknown[];
  return typeof id === "string" && [stdout, stderr].every((bytes) => Number.isSafeInteger(bytes) && (bytes as number) >= 0);
}
