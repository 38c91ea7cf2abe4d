import { pods } from "@pinacle/client/drizzle";
import { and, desc, eq, isNull } from "drizzle-orm";
import Link from "next/link";

import { Status } from "@/components/status";
import { db } from "@/lib/db";
import { projects } from "@/lib/schema";
import { requireUser } from "@/lib/session";

export default async function MyPods() {
  const user = await requireUser();
  const mine = await db
    .select({ id: pods.id, name: pods.name, slug: pods.slug, status: pods.status, note: projects.note })
    .from(projects)
    .innerJoin(pods, eq(pods.id, projects.podId))
    .where(and(eq(projects.ownerId, user.id), isNull(pods.destroyedAt)))
    .orderBy(desc(projects.createdAt));
  return (
    <>
      <div className="heading">
        <h1>My pods</h1>
        <Link className="button primary" href="/pods/new">New pod</Link>
      </div>
      {mine.length === 0 ? (
        <p className="empty">No pods yet. A new one is ready in about a minute.</p>
      ) : (
        <ul className="cards">
          {mine.map(({ id, name, slug, status, note }) => (
            <li className="card" key={id}>
              <h2><Link href={`/pods/${id}`}>{name}</Link></h2>
              <p className="muted">{note || slug}</p>
              <Status status={status} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
