import type { Metadata } from "next";

import { users } from "@/lib/users";

import { signIn } from "./actions";

export const metadata: Metadata = { title: "Sign in" };

export default function SignIn() {
  return (
    <section className="narrow">
      <h1>Sign in</h1>
      <p className="muted">This is a demo: there are no passwords. Each user sees only their own pods.</p>
      <form action={signIn} className="choices">
        {users.map(({ id, name, isAdmin }) => (
          <button className="choice" key={id} name="user" type="submit" value={id}>
            <span className="avatar" aria-hidden="true">{name.charAt(0)}</span>
            <span>
              <strong>{name}</strong>
              <span className="muted">{isAdmin ? "Sees failed pods, jobs and servers" : "Creates pods and works in them"}</span>
            </span>
          </button>
        ))}
      </form>
    </section>
  );
}
