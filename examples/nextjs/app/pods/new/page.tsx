import type { Metadata } from "next";
import { randomUUID } from "node:crypto";

import { requireUser } from "@/lib/session";

import { NewPodForm } from "./form";

export const metadata: Metadata = { title: "New pod" };

export default async function NewPod() {
  await requireUser();
  // The form brings the pod's id, so that sending it twice makes one pod.
  return (
    <section className="narrow">
      <h1>New pod</h1>
      <NewPodForm podId={`pod_${randomUUID().replaceAll("-", "")}`} />
    </section>
  );
}
