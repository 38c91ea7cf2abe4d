import type { ComponentProps } from "react";

type Props = { label: string; name: string; hint?: string; problem?: string | undefined } & ComponentProps<"input">;

/** A labelled input, with what is wrong with it said beside it, and to screen readers. */
export function Field({ label, name, hint, problem, ...input }: Props) {
  const described = [hint && `${name}-hint`, problem && `${name}-problem`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={name}>{label}</label>
      <input
        aria-describedby={described || undefined}
        aria-invalid={problem ? true : undefined}
        autoComplete="off"
        id={name}
        name={name}
        spellCheck={false}
        {...input}
      />
      {hint && <p className="muted" id={`${name}-hint`}>{hint}</p>}
      {problem && <p className="problem" id={`${name}-problem`}>{problem}</p>}
    </div>
  );
}
