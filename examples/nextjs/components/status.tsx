import type { PodStatus } from "@pinacle/client";

/** A pod's status in words, with a dot in its colour. */
export function Status({ status }: { status: PodStatus }) {
  return <span className="status" data-status={status}>{status === "terminated" ? "destroyed" : status}</span>;
}
