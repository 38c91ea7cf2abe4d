export interface Template {
  /** As in `pods.config`. */
  id: string;
  name: string;
  description: string;
}

/** Those of the worker's templates that need no secret. */
export const templates: readonly [Template, ...Template[]] = [
  { id: "custom", name: "Empty", description: "An editor and a terminal. The rest is yours." },
  { id: "vite", name: "Vite", description: "A new React app in TypeScript, with its dev server." },
  { id: "nextjs", name: "Next.js", description: "A new Next.js app, with its dev server." },
  { id: "nodejs", name: "Node.js", description: "For a repository with npm, pnpm, yarn or bun." },
  { id: "python", name: "Python", description: "For a repository with uv, poetry or pip." },
];
