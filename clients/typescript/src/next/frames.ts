import type { PodEvent } from "../backend.js";
import type { LogEvent } from "../follow/logs.js";

const encoder = new TextEncoder();

/** Nothing, for the browser and every proxy between to know that the connection lives. */
export const HEARTBEAT = encoder.encode(": heartbeat\n\n");

/** A pod's or a job's state. It has no id: each connection begins with the present state. */
export function podFrame(event: PodEvent): Uint8Array {
  return encoder.encode(`event: pod\ndata: ${JSON.stringify(event)}\n\n`);
}

// Those who follow the same log get the same events, and an output may have two megabytes: a thousand followers that wait
// for their networks hold one copy.
const frames = new WeakMap<LogEvent, Uint8Array>();

/** An event of the log, whose id is the cursor that a new connection goes on from. */
export function logFrame(event: LogEvent): Uint8Array {
  let frame = frames.get(event);
  if (!frame) {
    frame = encoder.encode(`event: log\nid: ${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`);
    frames.set(event, frame);
  }
  return frame;
}
