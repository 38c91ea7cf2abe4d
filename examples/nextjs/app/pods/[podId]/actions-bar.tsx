import type { Pod } from "@pinacle/client";

import { Submit } from "@/components/submit";

import { enqueue, retry } from "./actions";

/** What the pod's status allows. */
export function Actions({ pod }: { pod: Pod }) {
  const { id, status } = pod;
  if (status === "terminating" || status === "terminated") return null;
  return (
    <div className="actions">
      {status === "failed" && <form action={retry.bind(null, id)}><Submit>Try again</Submit></form>}
      {status === "running" && <form action={enqueue.bind(null, id, "stop")}><Submit>Stop</Submit></form>}
      {status === "stopped" && <form action={enqueue.bind(null, id, "start")}><Submit>Start</Submit></form>}
      <details className="destroy">
        <summary className="button">Destroy…</summary>
        <form action={enqueue.bind(null, id, "destroy")}>
          <p>The pod and all files in it will be deleted. This can’t be undone.</p>
          <Submit className="danger">Destroy it</Submit>
        </form>
      </details>
    </div>
  );
}
