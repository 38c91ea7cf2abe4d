import type { Client } from "../client.js";
import { PinacleError } from "../errors.js";
import type { Pod } from "../generated/schema.js";
import {
  ADMIN_ACTIONS,
  type AdminAction,
  type AdminRequest,
  type AdminStep,
  type AdminView,
  JOB_FIELDS,
  only,
  POD_FIELDS,
  SERVER_FIELDS,
  STEP_FIELDS,
} from "./admin-view.js";
import { parseRequest } from "./admin-request.js";
import { refusal } from "./refusal.js";

export type { AdminAction } from "./admin-view.js";

/** Who asks, as `requested_by` will say. */
export interface AdminGrant {
  requestedBy: string;
}

/** Whether who sent the request may do this, and who it is; null where not. */
export type AdminAuthorize = (request: Request, action: AdminAction) => AdminGrant | null | Promise<AdminGrant | null>;

export interface AdminOptions {
  client: Client;
  authorize: AdminAuthorize;
}

/** How many failed pods and jobs a page is told of. */
const MOST_FAILED = 1_000;
const MOST_JOBS = 50;

const NOT_CACHED = { headers: { "Cache-Control": "no-store" } };

/**
 * What `<PodAdmin>` talks to: `export const { GET, POST } = adminRoute({ client, authorize })`, in
 * `app/api/admin/route.ts`. GET gives an {@link AdminView}, or with `?jobId=` the steps of a job. POST takes an
 * {@link AdminRequest}.
 */
export function adminRoute({ client, authorize }: AdminOptions): Record<"GET" | "POST", (request: Request) => Promise<Response>> {
  return {
    async GET(request) {
      if (!(await authorize(request, "read"))) return refusal(403, "You may not see this page.");
      const jobId = new URL(request.url).searchParams.get("jobId");
      return attempt(() => (jobId === null ? view(client, request, authorize) : steps(client, jobId)));
    },
    async POST(request) {
      const asked = await parseRequest(request);
      if (asked instanceof Response) return asked;
      const grant = await authorize(request, asked.action);
      if (!grant) return refusal(403, "You may not do this.");
      return attempt(() => act(client, asked, grant));
    },
  };
}

async function view(client: Client, request: Request, authorize: AdminAuthorize): Promise<AdminView> {
  const grants = ADMIN_ACTIONS.map(async (action) => ((await authorize(request, action)) ? [action] : []));
  const [failed, jobs, servers, granted] = await Promise.all([
    client.pods.list({ status: "failed", limit: MOST_FAILED }),
    client.jobs.list({ limit: MOST_JOBS }),
    client.servers(),
    Promise.all(grants),
  ]);
  return {
    failedPods: failed.map((pod: Pod) => only(pod, POD_FIELDS)),
    hasMoreFailed: failed.length === MOST_FAILED,
    jobs: jobs.map((job) => only(job, JOB_FIELDS)),
    servers: servers.map((server) => only(server, SERVER_FIELDS)),
    granted: granted.flat(),
  };
}

// Read where a person opens a job: a page of them would read as many lists.
async function steps(client: Client, jobId: string): Promise<{ steps: AdminStep[] }> {
  return { steps: (await client.jobs.steps(jobId)).map((step) => only(step, STEP_FIELDS)) };
}

async function act(client: Client, asked: AdminRequest, { requestedBy }: AdminGrant): Promise<object> {
  switch (asked.action) {
    case "requeue":
      return { jobId: await client.pods.requeue(asked.podId, { requestedBy }) };
    case "requeueFailed":
      return { requeued: await client.pods.requeueFailed({ ...asked.filter, requestedBy }) };
    case "cancel":
      return { cancelled: await client.jobs.cancel(asked.jobId) };
  }
}

const STATUSES: Partial<Record<PinacleError["code"], number>> = { NoSuchPod: 404, NoSuchJob: 404, NotFailed: 409, InvalidInput: 400 };

// The client's sentences may be shown. Any other error is the app's to log.
async function attempt(work: () => Promise<object>): Promise<Response> {
  try {
    return Response.json(await work(), NOT_CACHED);
  } catch (error) {
    const status = error instanceof PinacleError ? STATUSES[error.code] : undefined;
    if (status === undefined) throw error;
    return refusal(status, (error as PinacleError).message);
  }
}
