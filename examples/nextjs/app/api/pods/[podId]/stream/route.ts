import { podRoute } from "@pinacle/client/next";

import { mayFollow } from "@/lib/access";
import { client } from "@/lib/db";

export const GET = podRoute({ client, authorize: (_request, podId) => mayFollow(podId) });
