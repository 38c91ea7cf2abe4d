import type { ConfigProblem, PodConfig } from "@pinacle/client";

/** The fields of the form that asks for a pod. */
export const fields = ["name", "slug", "note", "template", "repository", "install", "start"] as const;
export type Field = (typeof fields)[number];
export type Values = Record<Field, string>;
export type Problems = Partial<Record<Field | "form", string>>;

export function readForm(form: FormData): Values {
  const text = (field: Field) => String(form.get(field) ?? "").trim();
  return Object.fromEntries(fields.map((field) => [field, text(field)])) as Values;
}

/** What is left empty is left out, so that the template fills it in. */
export function configOf({ template, repository, install, start }: Omit<Values, "name" | "slug" | "note">): PodConfig {
  return {
    template,
    ...(repository && { repository: { url: repository } }),
    ...(install && { install }),
    ...(start && { processes: [{ name: "web", startCommand: start }] }),
  };
}

/** The problems of a config at the fields that they came from. Of several at one field, the first says most. */
export function problemsAtFields(problems: readonly ConfigProblem[]): Problems {
  return Object.fromEntries(problems.toReversed().map(({ path, message }) => [fieldOf(path), message]));
}

function fieldOf(path: string): Field | "form" {
  if (path.startsWith("processes")) return "start";
  return (["template", "repository", "install"] as const).find((key) => path.startsWith(key)) ?? "form";
}
