import { PodProgress, PodTerminal } from "@pinacle/client/react";
import type { Metadata } from "next";

import { requirePod } from "@/lib/access";

import { Actions } from "./actions-bar";
import { Links } from "./links";
import { LivePod } from "./live-pod";
import { ChangeInstall } from "./change-install";

interface Props {
  params: Promise<{ podId: string }>;
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { pod } = await requirePod((await params).podId);
  return { title: pod.name };
}

export default async function PodPage({ params }: Props) {
  const { pod } = await requirePod((await params).podId);
  const stream = `/api/pods/${encodeURIComponent(pod.id)}/stream`;
  return (
    <>
      <div className="heading">
        <div>
          <h1>{pod.name}</h1>
          <p className="muted">{pod.slug}</p>
        </div>
        <LivePod initial={pod.status} stream={stream} />
      </div>
      {pod.lastError && (
        <p className={pod.status === "failed" ? "notice bad" : "notice"} role="status">{pod.lastError}</p>
      )}
      <div className="bar">
        <Links pod={pod} />
        <Actions pod={pod} />
      </div>
      {pod.status === "failed" && <ChangeInstall pod={pod} />}
      <section aria-label="Progress"><PodProgress url={stream} /></section>
      <section aria-label="Log" className="log"><PodTerminal url={stream} /></section>
    </>
  );
}
