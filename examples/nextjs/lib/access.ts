import type { Pod } from "@pinacle/client";
import { notFound } from "next/navigation";

import { client } from "./db";
import { currentUser, requireUser } from "./session";
import type { User } from "./users";

/** The one rule: a pod is its owner's, and the admin's. */
function mayUse(user: User, pod: Pod): boolean {
  return user.isAdmin || pod.ownerId === user.id;
}

/** For a route handler, which answers by a status. */
export async function mayFollow(podId: string): Promise<boolean> {
  const user = await currentUser();
  const pod = user && (await client.pods.get(podId));
  return user !== null && pod !== null && mayUse(user, pod);
}

/** For a page or an action. Nobody learns whether there is a pod that is not theirs. */
export async function requirePod(podId: string): Promise<{ user: User; pod: Pod }> {
  const user = await requireUser();
  const pod = await client.pods.get(podId);
  return pod && mayUse(user, pod) ? { user, pod } : notFound();
}
