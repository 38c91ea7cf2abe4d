import { pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** What the app knows of a pod beside the worker's own row. Both are inserted in one transaction. */
export const projects = pgTable("projects", {
  podId: text("pod_id").primaryKey(),
  ownerId: text("owner_id").notNull(),
  note: text("note").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
});
