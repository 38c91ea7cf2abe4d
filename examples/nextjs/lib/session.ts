import { cookies } from "next/headers";
import { notFound, redirect } from "next/navigation";

import { type User, users } from "./users";

const COOKIE = "demo_user";

/** Who asks, in pages, actions and route handlers. A real app has its sessions here. */
export async function currentUser(): Promise<User | null> {
  const id = (await cookies()).get(COOKIE)?.value;
  return users.find((user) => user.id === id) ?? null;
}

export async function requireUser(): Promise<User> {
  return (await currentUser()) ?? redirect("/sign-in");
}

/** To all others, the admin's page does not exist. */
export async function requireAdmin(): Promise<User> {
  const user = await requireUser();
  return user.isAdmin ? user : notFound();
}

export async function startSession(user: User): Promise<void> {
  (await cookies()).set(COOKIE, user.id, { httpOnly: true, sameSite: "lax" });
}

export async function endSession(): Promise<void> {
  (await cookies()).delete(COOKIE);
}
