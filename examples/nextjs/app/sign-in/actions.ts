"use server";

import { notFound, redirect } from "next/navigation";

import { endSession, startSession } from "@/lib/session";
import { users } from "@/lib/users";

export async function signIn(form: FormData): Promise<void> {
  const user = users.find(({ id }) => id === form.get("user"));
  if (!user) notFound();
  await startSession(user);
  redirect(user.isAdmin ? "/admin" : "/");
}

export async function signOut(): Promise<void> {
  await endSession();
  redirect("/sign-in");
}
