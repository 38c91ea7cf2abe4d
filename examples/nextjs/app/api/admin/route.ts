import { adminRoute } from "@pinacle/client/next";

import { client } from "@/lib/db";
import { currentUser } from "@/lib/session";

export const { GET, POST } = adminRoute({
  client,
  authorize: async () => {
    const user = await currentUser();
    return user?.isAdmin ? { requestedBy: user.id } : null;
  },
});
