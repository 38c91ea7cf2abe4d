// What must not compile does not: each line below is an error that the compiler has to find.
import type { Pool } from "pg";

import { type Client, createClient, type Job, SlugTaken } from "@pinacle/client";

declare const client: Client;
declare const pool: Pool;
declare const job: Job;

export const WRONG = [
  // @ts-expect-error there is no such option
  () => createClient({ pool, secretKey: "hpke:v1:" }),
  // @ts-expect-error the pool is missing
  () => createClient({}),
  // @ts-expect-error the slug is missing
  () => client.pods.create({ name: "x" }),
  // @ts-expect-error there is no such key
  () => client.pods.create({ name: "x", slug: "x", config: { instal: "npm ci" } }),
  // @ts-expect-error there is no such tier
  () => client.pods.create({ name: "x", slug: "x", config: { tier: "dev.huge" } }),
  // @ts-expect-error there is no such kind
  () => client.jobs.enqueue("pod_1", "explode"),
  // @ts-expect-error a time is a Date
  () => client.jobs.enqueue("pod_1", "start", { runAt: "tomorrow" }),
  // @ts-expect-error a job has no such status
  () => job.status === "done",
  // @ts-expect-error there is no such status
  () => client.pods.list({ status: ["runing"] }),
  // @ts-expect-error an error's code is its own
  (error: SlugTaken) => error.code === "NoSuchPod",
];
