import type { AdminFilter, AdminRequest } from "./admin-view.js";
import { refusal } from "./refusal.js";

/** Reads what is asked for, or says why it can't be. */
export async function parseRequest(request: Request): Promise<AdminRequest | Response> {
  // A form of a foreign page can't send this type, so nobody is made to ask by opening a page.
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") return refusal(415, "The content must be application/json.");
  const asked = parse(await request.text());
  return asked ?? refusal(400, "This is not something that can be asked for.");
}

function parse(text: string): AdminRequest | null {
  const body = json(text);
  if (typeof body !== "object" || body === null) return null;
  const { action, podId, jobId, filter = {} } = body as Record<string, unknown>;
  if (action === "requeue" && typeof podId === "string") return { action, podId };
  if (action === "cancel" && typeof jobId === "string") return { action, jobId };
  if (action === "requeueFailed" && isFilter(filter)) return { action, filter };
  return null;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// An unknown key would be a filter that does not filter.
function isFilter(value: unknown): value is AdminFilter {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).every(([key, text]) => (key === "ownerId" || key === "serverId") && typeof text === "string");
}
