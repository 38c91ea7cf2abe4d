import { useEffect, useRef, useState } from "react";

import { NO_STATE, type PodState } from "./state.js";
import { type OnLogEvent, streamOf } from "./stream.js";

/** What a pod is at, as it changes. `url` is where `podRoute` responds, such as `/api/pods/pod_1/stream`. */
export function usePod(url: string): PodState {
  const [state, setState] = useState(NO_STATE);
  useEffect(() => {
    const stream = streamOf(url, false);
    const update = () => setState(stream.state);
    update();
    return stream.followState(update);
  }, [url]);
  return state;
}

/**
 * Calls `onEvent` with each event of a pod's log, from its beginning and once each, also where the connection is lost. The
 * next event is read once the promise that `onEvent` returned is fulfilled, so a log may be longer than memory has room for.
 */
export function usePodLog(url: string, { onEvent }: { onEvent: OnLogEvent }): void {
  const latest = useRef(onEvent);
  useEffect(() => {
    latest.current = onEvent;
  });
  useEffect(() => streamOf(url, true).followLog((event) => latest.current(event)), [url]);
}
