"use client";

import { useActionState, useEffect, useRef, useState } from "react";

import { Field } from "@/components/field";
import { Submit } from "@/components/submit";
import { templates } from "@/lib/templates";

import { createPod, type FormState } from "./actions";

/** The slug that a name suggests. */
const slugOf = (name: string) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 43).replace(/^-+|-+$/g, "");

export function NewPodForm({ podId }: { podId: string }) {
  const [{ values, problems }, action] = useActionState<FormState, FormData>(createPod, { values: {}, problems: {} });
  const [slug, setSlug] = useState(values.slug ?? "");
  const [hasOwnSlug, setHasOwnSlug] = useState(false);
  const chosen = values.template ?? templates[0].id;
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>("[aria-invalid]")?.focus();
  }, [problems]);

  return (
    <form action={action} ref={form}>
      <input name="podId" type="hidden" value={podId} />
      <p aria-live="polite" className="problem">{problems.form}</p>

      <Field
        defaultValue={values.name}
        label="Name"
        maxLength={100}
        name="name"
        onChange={({ target }) => hasOwnSlug || setSlug(slugOf(target.value))}
        problem={problems.name}
        required
      />
      <Field
        hint="A part of the pod's address: small letters, digits and hyphens."
        label="Address"
        maxLength={43}
        name="slug"
        onChange={({ target }) => {
          setSlug(target.value);
          setHasOwnSlug(true);
        }}
        pattern="[a-z0-9]([a-z0-9\-]*[a-z0-9])?"
        problem={problems.slug}
        required
        value={slug}
      />
      <Field defaultValue={values.note} label="Note (optional)" maxLength={200} name="note" />

      <fieldset className="templates">
        <legend>Template</legend>
        {templates.map(({ id, name, description }) => (
          <label className="template" key={id}>
            <input defaultChecked={id === chosen} name="template" type="radio" value={id} />
            <span>
              <strong>{name}</strong>
              <span className="muted">{description}</span>
            </span>
          </label>
        ))}
        {problems.template && <p className="problem">{problems.template}</p>}
      </fieldset>

      <details open={Boolean(values.repository || values.install || values.start) || undefined}>
        <summary>Repository and commands</summary>
        <Field
          defaultValue={values.repository}
          label="Repository"
          name="repository"
          placeholder="https://github.com/me/app"
          problem={problems.repository}
        />
        <Field
          defaultValue={values.install}
          hint="Instead of what the template would run."
          label="Install command"
          name="install"
          problem={problems.install}
        />
        <Field
          defaultValue={values.start}
          hint="A server on port 3000 is at the pod's address."
          label="Start command"
          name="start"
          problem={problems.start}
        />
      </details>

      <Submit className="primary">Create pod</Submit>
    </form>
  );
}
