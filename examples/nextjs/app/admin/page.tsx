import { PodAdmin } from "@pinacle/client/react";
import type { Metadata } from "next";

import { requireAdmin } from "@/lib/session";

export const metadata: Metadata = { title: "Admin" };

export default async function Admin() {
  await requireAdmin();
  return (
    <>
      <h1>Admin</h1>
      <PodAdmin url="/api/admin" />
    </>
  );
}
