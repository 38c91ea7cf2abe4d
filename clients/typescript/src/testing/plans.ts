import type { JobKind, PodStatus } from "../generated/schema.js";

export interface Plan {
  /** The pod's status while the job runs, and behind it. */
  transitional: PodStatus;
  target: PodStatus;
  steps: readonly string[];
}

const UP = [
  "network",
  "volume",
  "image",
  "container",
  "start",
  "proxy",
  "repository",
  "environment",
  "install services",
  "install",
  "preStart",
  "services",
  "processes",
  "health",
  "postStart",
] as const;

/** The steps that need the user's own part of the config; where one fails, the pod keeps what it has. */
export const USER_STEPS: readonly string[] = UP.slice(UP.indexOf("repository"));

/** What the worker does for each kind of job. */
export const PLANS: Record<JobKind, Plan> = {
  create: { transitional: "provisioning", target: "running", steps: ["place", "port", ...UP] },
  start: { transitional: "starting", target: "running", steps: UP },
  stop: { transitional: "stopping", target: "stopped", steps: ["stop"] },
  restart: { transitional: "starting", target: "running", steps: ["stop", ...UP] },
  destroy: {
    transitional: "terminating",
    target: "terminated",
    steps: ["remove container", "remove network", "remove volume", "forget"],
  },
};
