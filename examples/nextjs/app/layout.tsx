import "./globals.css";
import "@pinacle/client/react/styles.css";

import type { Metadata } from "next";
import Link from "next/link";
import type { ReactNode } from "react";

import { currentUser } from "@/lib/session";

import { signOut } from "./sign-in/actions";

export const metadata: Metadata = {
  title: { template: "%s · Pods", default: "Pods" },
  description: "Development environments, ready in a minute",
};

export default async function Layout({ children }: { children: ReactNode }) {
  const user = await currentUser();
  return (
    <html lang="en">
      <body>
        <a className="skip" href="#main">Skip to the content</a>
        <header className="top">
          <Link className="brand" href="/">Pods</Link>
          {user && (
            <>
              <nav aria-label="Main">
                <Link href="/">My pods</Link>
                {user.isAdmin && <Link href="/admin">Admin</Link>}
              </nav>
              <form action={signOut}>
                <span className="who">{user.name}</span>
                <button className="quiet" type="submit">Sign out</button>
              </form>
            </>
          )}
        </header>
        <main id="main" tabIndex={-1}>{children}</main>
      </body>
    </html>
  );
}
