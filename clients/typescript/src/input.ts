import { InvalidInput } from "./errors.js";

export const DEFAULT_PAGE = 100;
const LONGEST_PAGE = 1000;
const INT_MAX = 2 ** 31 - 1;
const PAYLOAD_BYTES = 64 * 1024;
const LAST_YEAR = Date.UTC(10_000, 0);

/** How many rows a list has, of what was asked for. */
export function pageOf(limit: number): number {
  if (!Number.isFinite(limit)) throw new InvalidInput(`The limit of a list is a number, not ${limit}.`);
  return Math.min(Math.max(Math.trunc(limit), 0), LONGEST_PAGE);
}

/** A text that the database can store. It may come from plain JavaScript. */
export function checkText(what: string, text: unknown): void {
  if (typeof text !== "string") throw new InvalidInput(`${what} is a text, not ${text === null ? "null" : typeof text}.`);
  if (text.includes("\0")) throw new InvalidInput(`${what} has a NUL character, which can't be stored.`);
  if (Buffer.from(text).toString() !== text) throw new InvalidInput(`${what} has half a character, which can't be stored.`);
}

/** The texts that are there, by what they are. */
export function checkTexts(texts: Record<string, string | undefined>): void {
  for (const [what, text] of Object.entries(texts)) if (text !== undefined) checkText(what, text);
}

export function checkRunAt(runAt: Date | undefined): void {
  if (runAt === undefined) return;
  if (!(runAt instanceof Date) || Number.isNaN(runAt.getTime())) throw new InvalidInput("runAt is a valid Date.");
  const isFar = runAt.getTime() >= LAST_YEAR || runAt.getTime() < 0;
  if (isFar) throw new InvalidInput(`runAt is ${runAt.toISOString()}; it is a time between 1970 and 9999.`);
}

export function checkPriority(priority: number): void {
  if (!Number.isInteger(priority) || Math.abs(priority) > INT_MAX) {
    throw new InvalidInput(`A priority is a whole number of 32 bits, not ${priority}.`);
  }
}

/** An object as JSON, and as what comes out of it again. */
export function asJson(what: string, value: object): { json: string; value: unknown } {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new InvalidInput(`${what} can't be written as JSON: ${(error as Error).message}.`, { cause: error });
  }
  if (json === undefined) throw new InvalidInput(`${what} can't be written as JSON.`);
  // Not where the backslash itself is escaped.
  if (/(?<!\\)(\\\\)*\\(u0000|ud[89a-f])/i.test(json)) throw new InvalidInput(`${what} has a NUL or half a character, which can't be stored.`);
  return { json, value: JSON.parse(json) };
}

export function checkPayload(payload: object): void {
  const { json, value } = asJson("The payload of a job", payload);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidInput("The payload of a job is a JSON object.");
  }
  const bytes = Buffer.byteLength(json);
  if (bytes > PAYLOAD_BYTES) {
    throw new InvalidInput(`The payload of a job has ${bytes} bytes; no more than ${PAYLOAD_BYTES} (64 KiB) can be stored.`);
  }
}
