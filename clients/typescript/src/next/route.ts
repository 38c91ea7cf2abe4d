import { podStream, type PodStreamOptions } from "./stream.js";

/** What Next.js gives to the handler of a route with a part `[podId]`. */
export interface PodRouteContext {
  params: Promise<{ podId: string }>;
}

/** `export const GET = podRoute({ client, authorize })`, in `app/api/pods/[podId]/stream/route.ts`. */
export function podRoute(options: PodStreamOptions): (request: Request, context: PodRouteContext) => Promise<Response> {
  return async (request, { params }) => podStream(request, (await params).podId, options);
}
