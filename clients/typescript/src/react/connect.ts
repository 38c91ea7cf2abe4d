import { EventParser, type StreamedEvent } from "./parse.js";

/** `refused`: the server said no, and asking again would change nothing. */
export type Connection = "connecting" | "open" | "lost" | "refused";

export interface ConnectOptions {
  signal: AbortSignal;
  /** The stream's URL, by where the reader is. */
  url: () => string;
  /** The id of the last event, if one had an id. */
  lastEventId: () => string;
  onConnection: (connection: Connection) => void;
  /** The next event is read once this is done. */
  onEvent: (event: StreamedEvent) => Promise<void>;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** Three heartbeats of the server's: the connection is dead, though nobody said so. */
const LONGEST_SILENCE_MS = 45_000;

/**
 * Reads a stream until the signal is aborted, and goes on behind the last event where it was cut. It is not an EventSource:
 * that reads as fast as it can, whatever a page can show, and does not tell a refusal from a lost connection.
 */
export async function connect({ signal, onConnection, ...options }: ConnectOptions): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      const response = await request(options, signal);
      if (isRefusal(response)) return onConnection("refused");
      onConnection("open");
      await read(response, options.onEvent, signal, () => (failures = 0));
      // The server ends a stream now and then, and a new one goes on.
      failures += 1;
    } catch {
      failures += 1;
    }
    if (signal.aborted) return;
    if (failures > 1) onConnection("lost");
    await pause(failures, signal);
  }
}

async function request({ url, lastEventId }: Pick<ConnectOptions, "url" | "lastEventId">, signal: AbortSignal): Promise<Response> {
  const id = lastEventId();
  const headers = { Accept: "text/event-stream", ...(id && { "Last-Event-ID": id }) };
  const response = await fetch(url(), { headers, signal, cache: "no-store" });
  if (response.status >= 500 || response.status === 429) throw new Error(`the server responds ${response.status}`);
  return response;
}

// A page to sign in at is no stream either.
function isRefusal(response: Response): boolean {
  return !response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream");
}

async function read(
  response: Response,
  onEvent: ConnectOptions["onEvent"],
  signal: AbortSignal,
  onRead: () => void,
): Promise<void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await withLimit(reader.read());
      if (done) return;
      onRead();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (signal.aborted) return;
        await onEvent(event);
      }
    }
  } finally {
    // Its own end may be why.
    reader.cancel().catch(() => {});
  }
}

async function withLimit<T>(read: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the server is silent")), LONGEST_SILENCE_MS);
  });
  try {
    return await Promise.race([read, limit]);
  } finally {
    clearTimeout(timer);
  }
}

// Pages that lost the same server do not come back at the same moment.
function pause(failures: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
