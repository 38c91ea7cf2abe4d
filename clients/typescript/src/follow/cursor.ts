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

type Packed = [micros: string, id: string, ...open: [id: string, stdout: number, stderr: number][]];

/** As a text for a header or a URL, opaque to its bearer. */
export function encode({ after, open }: Cursor): string {
  if (after === null) return "";
  const packed: Packed = [after.micros, after.id, ...open.map(({ id, stdout, stderr }) => [id, stdout, stderr] as [string, number, number])];
  return Buffer.from(JSON.stringify(packed)).toString("base64url");
}

/** @throws {InvalidInput} it is not what {@link encode} made; it may come from anybody */
export function decode(text: string): Cursor {
  if (text === "") return START;
  const packed = parse(text);
  if (!isPacked(packed)) throw new InvalidInput("The log's cursor can't be read. Read the log from its beginning.");
  const [micros, id, ...open] = packed;
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
  const [micros, id, ...open] = value as unknown[];
  return typeof micros === "string" && /^\d{1,16}$/.test(micros) && typeof id === "string" && open.every(isOpen);
}

function isOpen(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [id, stdout, stderr] = value as unknown[];
  return typeof id === "string" && [stdout, stderr].every((bytes) => Number.isSafeInteger(bytes) && (bytes as number) >= 0);
}
