"use client";

import type { ReactNode } from "react";
import { useFormStatus } from "react-dom";

/** A form's button, which rests while the form is under way. */
export function Submit({ children, className }: { children: ReactNode; className?: string }) {
  const { pending } = useFormStatus();
  return <button className={className} disabled={pending} type="submit">{children}</button>;
}
