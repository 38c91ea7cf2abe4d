import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

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

const LIMIT_MS = 60_000;
const INTERVAL_MS = 20;

/** Waits until something holds. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const began = Date.now(); !(await holds()); await sleep(INTERVAL_MS)) {
    if (Date.now() - began > LIMIT_MS) throw new Error(`after ${LIMIT_MS} ms this does not hold: ${holds}`);
  }
}
