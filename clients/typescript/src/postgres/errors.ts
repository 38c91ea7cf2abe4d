import {
  InvalidConfig,
  InvalidInput,
  NoSuchJob,
  NoSuchPod,
  NoSuchServer,
  NotAllowed,
  NotFailed,
  NotMigrated,
  PodExists,
  SlugTaken,
} from "../errors.js";
import { sqlstate } from "../sqlstate.js";

type Fields = Record<string, unknown> & { constraint?: unknown };

interface Refusal {
  state: string;
  message: string;
  constraint: string | undefined;
}

const DEEPEST = 8;

// PostgreSQL's refusal in an error or what it wraps: Drizzle has it as the cause, Prisma in `meta` and its adapter's error.
function refusalOf(error: unknown, depth = 0): Refusal | null {
  if (typeof error !== "object" || error === null || depth > DEEPEST) return null;
  const fields = error as Fields;
  const state = sqlstate(fields["originalCode"] ?? fields["code"]);
  if (state !== undefined) {
    const message = String(fields["originalMessage"] ?? fields["message"]);
    const { constraint } = fields;
    const named = typeof constraint === "string" ? constraint : / constraint "([^"]+)"/.exec(message)?.[1];
    return { state, message, constraint: named };
  }
  for (const inner of ["driverAdapterError", "meta", "cause"]) {
    const refusal = refusalOf(fields[inner], depth + 1);
    if (refusal) return refusal;
  }
  return null;
}

/** What a statement is about, for the sentence of its error. */
export interface Subject {
  podId?: string | undefined;
  jobId?: string | undefined;
  slug?: string | undefined;
  serverId?: string | undefined;
}

/** Constraints whose violation PostgreSQL tells by their names alone. */
const CONSTRAINTS: Record<string, string> = {
  pods_id_is_fit_for_names: 'A pod\'s id is up to 100 letters, digits, "_", "." and "-", the first a letter or a digit.',
  pods_owner_id_is_short: "A pod's owner_id has 256 bytes at most.",
  pod_jobs_kind_is_known: "A job's kind is create, start, stop, restart or destroy.",
  pod_secrets_kind_is_known: "A secret's kind is env or deploy_key.",
};

/** The client's error for one that PostgreSQL or the app's library raised; the same one where it is something else. */
export function explained(error: unknown, about: Subject = {}): unknown {
  const refusal = refusalOf(error);
  if (!refusal) return error;
  const { state, message, constraint } = refusal;
  const cause = { cause: error };
  if (state.startsWith("22")) return new InvalidInput(`The database can't store a value: ${message}.`, cause);
  switch (state) {
    case "P0002":
      return about.jobId === undefined ? new NoSuchPod(message, cause) : new NoSuchJob(message, cause);
    case "55000":
      return new NotFailed(message, cause);
    case "23503":
      if (constraint === "pods_server_id_fkey") return new NoSuchServer(`There is no server "${about.serverId}".`, cause);
      return new NoSuchPod(constraint === undefined ? message : `There is no pod "${about.podId}".`, cause);
    case "23505":
      if (constraint === "pods_slug_of_live_pods") {
        return new SlugTaken(`Another pod has the slug "${about.slug}". Choose another.`, cause);
      }
      return constraint === "pods_pkey" ? new PodExists(`There is a pod "${about.podId}" already.`, cause) : error;
    case "23514":
      if (message.startsWith("The config of pod ")) return new InvalidConfig(message, [], cause);
      return new InvalidInput(CONSTRAINTS[constraint ?? ""] ?? message, cause);
    // Something is missing, or too long for an index.
    case "23502":
    case "54000":
      return new InvalidInput(`The database can't store a value: ${message}.`, cause);
    case "42501":
      return new NotAllowed(
        `The app's database role lacks a right (${message}). Give it by: pinacle-worker grant <role>.`,
        cause,
      );
    case "3F000":
    case "42P01":
    case "42703":
    case "42883":
      return new NotMigrated(
        `The database has no current schema of pinacle-worker (${message}). Make it by: pinacle-worker migrate.`,
        cause,
      );
    default:
      return error;
  }
}
