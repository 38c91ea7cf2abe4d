import type { Pod } from "@pinacle/client";

import { addresses } from "@/lib/addresses";

/** The ways into a running pod, each in a tab of its own. */
export function Links({ pod }: { pod: Pod }) {
  if (!pod.up || !pod.publicUrl) return null;
  const { page, editor, terminal } = addresses(pod.publicUrl);
  const tab = { rel: "noreferrer", target: "_blank" };
  return (
    <nav aria-label="Open the pod">
      <a className={pod.status === "running" ? "button primary" : "button"} href={page} {...tab}>Open page</a>
      <a className="button" href={editor} {...tab}>Editor</a>
      <a className="button" href={terminal} {...tab}>Terminal</a>
    </nav>
  );
}
