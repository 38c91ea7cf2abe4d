"use server";

import { checkConfig, type JobKind, type PodConfig } from "@pinacle/client";
import { sql } from "drizzle-orm";
import { revalidatePath } from "next/cache";

import { requirePod } from "@/lib/access";
import { client, db } from "@/lib/db";

// What a browser sends to an action may be forged, the bound arguments, too. So each looks for itself.
const KINDS: readonly JobKind[] = ["start", "stop", "destroy"];

export async function enqueue(podId: string, kind: JobKind): Promise<void> {
  const { user } = await requirePod(podId);
  if (!KINDS.includes(kind)) throw new Error(`There is no action "${kind}".`);
  await client.jobs.enqueue(podId, kind, { requestedBy: user.id });
  revalidatePath(`/pods/${podId}`);
}

export async function retry(podId: string): Promise<void> {
  const { user } = await requirePod(podId);
  try {
    await client.pods.requeue(podId, { requestedBy: user.id });
  } catch (error) {
    // Somebody else has requeued it meanwhile, and the page says so.
    if ((error as { code?: string }).code !== "NotFailed") throw error;
  }
  revalidatePath(`/pods/${podId}`);
}

export async function changeInstall(podId: string, form: FormData): Promise<void> {
  const { pod } = await requirePod(podId);
  const config: PodConfig = { ...(pod.config as PodConfig), install: String(form.get("install")) };
  checkConfig(config);
  await db.execute(sql`UPDATE pinacle.pods SET config = ${JSON.stringify(config)} WHERE id = ${podId}`);
  revalidatePath(`/pods/${podId}`);
}
