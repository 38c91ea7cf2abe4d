"use server";

import type { ConfigProblem } from "@pinacle/client";
import { fromDrizzle } from "@pinacle/client/drizzle";
import { redirect } from "next/navigation";

import { db, client } from "@/lib/db";
import { configOf, type Problems, problemsAtFields, readForm, type Values } from "@/lib/pod-form";
import { projects } from "@/lib/schema";
import { requireUser } from "@/lib/session";

export interface FormState {
  /** What was typed, for the form to show it again. */
  values: Partial<Values>;
  problems: Problems;
}

export async function createPod(_before: FormState, form: FormData): Promise<FormState> {
  const user = await requireUser();
  const id = String(form.get("podId"));
  const values = readForm(form);
  const { name, slug, note } = values;
  if (!name) return { values, problems: { name: "A pod needs a name." } };
  try {
    await db.transaction(async (tx) => {
      const pod = { id, name, slug, config: configOf(values), ownerId: user.id, requestedBy: user.id };
      await client.pods.create(pod, { tx: fromDrizzle(tx) });
      // The same form sent twice finds its own row.
      await tx.insert(projects).values({ podId: id, ownerId: user.id, note }).onConflictDoNothing();
    });
  } catch (error) {
    return { values, problems: problemsOf(error) };
  }
  redirect(`/pods/${id}`);
}

/** What the user can correct. Everything else is the server's to log. */
function problemsOf(error: unknown): Problems {
  const { code, message, problems = [] } = error as { code?: string; message: string; problems?: ConfigProblem[] };
  // By the code, as Next.js may have loaded the client's classes more than once.
  if (code === "SlugTaken") return { slug: message };
  if (code === "InvalidConfig") return problemsAtFields(problems);
  if (code === "InvalidInput" || code === "PodExists") return { form: message };
  throw error;
}
