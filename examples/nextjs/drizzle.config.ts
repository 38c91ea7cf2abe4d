import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./lib/schema.ts",
  // The app's own tables. Those of the worker are in the schema `pinacle`, and belong to its migrations.
  schemaFilter: ["public"],
  dbCredentials: { url: process.env["DATABASE_URL"]! },
});
