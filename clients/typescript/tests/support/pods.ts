import { randomBytes } from "node:crypto";
import type { Pool } from "pg";

import type { Client } from "@pinacle/client";

/** A pod that nobody takes the job of, and a way to set its rows as the worker does. */
export async function newPod(client: Client, owner: Pool, ownerId = "ada") {
  const slug = `pod-${randomBytes(6).toString("hex")}`;
  const { podId, jobId } = await client.pods.create({ name: slug, slug, ownerId, requestedBy: "Ada" });
  return {
    podId,
    jobId,
    name: slug,
    setJob: (set: string) => owner.query(`UPDATE pinacle.pod_jobs SET ${set} WHERE id = $1`, [jobId]),
    setPod: (set: string) => owner.query(`UPDATE pinacle.pods SET ${set} WHERE id = $1`, [podId]),
  };
}

/** Waits until something holds; a test's own limit ends it. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
