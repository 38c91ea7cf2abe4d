"use client";

import type { PodStatus } from "@pinacle/client";
import { usePod } from "@pinacle/client/react";
import { useRouter } from "next/navigation";
import { useEffect } from "react";

import { Status } from "@/components/status";

/** The pod's status as it changes. With each, and with the first that is told, the server renders the page again. */
export function LivePod({ initial, stream }: { initial: PodStatus; stream: string }) {
  const { pod, job, connection } = usePod(stream);
  const router = useRouter();
  const status = pod?.status ?? initial;
  const state = pod && `${status} ${job?.jobId} ${job?.status}`;

  useEffect(() => {
    if (state) router.refresh();
  }, [router, state]);

  return (
    <p aria-live="polite" className="live">
      {connection === "lost" && <span className="muted">Reconnecting… </span>}
      <Status status={status} />
    </p>
  );
}
