import type { Client } from "../client.js";
import { InvalidInput } from "../errors.js";
import { decode } from "../follow/cursor.js";
import { HEARTBEAT, logFrame, podFrame } from "./frames.js";
import { type Frames, merge } from "./merge.js";
import { refusal } from "./refusal.js";

/** Whether who sent the request may see the pod. Its answer holds for {@link LONGEST_STREAM_MS}. */
export type Authorize = (request: Request, podId: string) => boolean | Promise<boolean>;

export interface PodStreamOptions {
  client: Client;
  authorize: Authorize;
  /** Lets a request have the commands that were run on the host, by `?all=1`; only for the app's own staff. */
  all?: boolean | undefined;
}

/** Shorter than the minute after which proxies close a silent connection. */
const HEARTBEAT_MS = 15_000;
/** A browser connects again behind its last event, and `authorize` is asked again: who has signed out sees no more. */
const LONGEST_STREAM_MS = 10 * 60_000;

const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  // A proxy that compresses would hold events back.
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
  "X-Content-Type-Options": "nosniff",
};

/**
 * What a pod is at and what its commands print, as server-sent events: `pod` has a PodEvent, `log` a LogEvent with its
 * cursor as the id. The log goes on behind the header `Last-Event-ID`, or `?after=`; `?log=0` leaves it out. The response
 * is read as fast as the browser reads it, and ends with the request.
 */
export async function podStream(request: Request, podId: string, options: PodStreamOptions): Promise<Response> {
  const { client, authorize } = options;
  if (!(await authorize(request, podId))) return refusal(403, "You may not see this pod.");
  const { searchParams } = new URL(request.url);
  const after = request.headers.get("last-event-id") ?? searchParams.get("after") ?? "";
  try {
    decode(podId, after);
    if (!(await client.pods.get(podId))) return refusal(404, "There is no such pod.");
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    return refusal(400, error.message);
  }
  const all = options.all === true && searchParams.get("all") === "1";
  const end = new AbortController();
  const sources = [podFrames(client, podId, end.signal)];
  if (searchParams.get("log") !== "0") sources.push(logFrames(client, podId, { after, all, signal: end.signal }));
  return new Response(body(sources, request.signal, end), { headers: HEADERS });
}

function body(sources: Frames[], gone: AbortSignal, end: AbortController): ReadableStream<Uint8Array> {
  const frames = merge(sources, HEARTBEAT, HEARTBEAT_MS);
  const close = () => {
    clearTimeout(timer);
    gone.removeEventListener("abort", close);
    end.abort();
    // One that nobody reads on waits at its last event, where it does not see the signal.
    for (const source of sources) void source.return();
  };
  const timer = setTimeout(close, LONGEST_STREAM_MS);
  timer.unref();
  gone.addEventListener("abort", close);
  if (gone.aborted) close();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const next = await frames.next();
          if (!next.done) return controller.enqueue(next.value);
          close();
          controller.close();
        } catch (error) {
          close();
          controller.error(error);
        }
      },
      cancel: close,
    },
    // Nothing is taken from the log before the network can take it.
    { highWaterMark: 0 },
  );
}

async function* podFrames(client: Client, podId: string, signal: AbortSignal): Frames {
  for await (const event of client.events(podId, { signal })) yield podFrame(event);
}

async function* logFrames(
  client: Client,
  podId: string,
  options: { after: string; all: boolean; signal: AbortSignal },
): Frames {
  for await (const event of client.logs(podId, { ...options, follow: true })) yield logFrame(event);
}
