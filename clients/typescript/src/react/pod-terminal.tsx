import { useEffect, useRef, useState } from "react";

import { streamOf } from "./stream.js";
import { openTerminal } from "./terminal.js";
import { TerminalWriter } from "./terminal-writer.js";
import { usePod } from "./use-pod.js";

export interface PodTerminalProps {
  /** Where `podRoute` responds, such as `/api/pods/pod_1/stream`. */
  url: string;
  /** What a screen reader calls it. */
  label?: string;
}

/** What the pod's commands print, live, from the beginning. */
export function PodTerminal({ url, label = "The pod's log" }: PodTerminalProps) {
  const element = useRef<HTMLDivElement>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const { connection } = usePod(url);
  useEffect(() => {
    let end = () => {};
    let isEnded = false;
    openTerminal(element.current!).then(
      ({ terminal, dispose }) => {
        if (isEnded) return dispose();
        const writer = new TerminalWriter(terminal);
        let last = Promise.resolve();
        const leave = streamOf(url, true).followLog((event) => (last = writer.write(event)));
        end = () => {
          leave();
          // A terminal that is gone would never say that it has taken the event.
          void last.then(dispose);
        };
      },
      () => setFailure("The terminal could not be loaded. Reload the page to try again."),
    );
    return () => {
      isEnded = true;
      end();
    };
  }, [url]);
  const told = failure ?? NOTICES[connection];
  return (
    <section className="pinacle-terminal" aria-label={label}>
      <div className="pinacle-terminal-screen" ref={element} />
      <p className="pinacle-terminal-notice" role="status" hidden={!told}>
        {told}
      </p>
    </section>
  );
}

const NOTICES = {
  connecting: "",
  open: "",
  lost: "The connection is lost. It is tried again, and the log will go on where it stopped.",
  refused: "You may not see this log, or there is no such pod.",
};
