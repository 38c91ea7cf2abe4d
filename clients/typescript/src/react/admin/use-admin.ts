import { useCallback, useEffect, useState } from "react";

import type { AdminRequest, AdminStep, AdminView } from "../../next/admin-view.js";

const REFRESH_MS = 3_000;

export interface Admin {
  /** Null until it is known. */
  view: AdminView | null;
  /** Why the view is missing or old. */
  failure: string | null;
  /** What the last action did, or why it failed. */
  outcome: string | null;
  act: (request: AdminRequest, outcome: (response: Record<string, unknown>) => string) => Promise<void>;
}

/** What `adminRoute` tells, while the page is seen, and what it can be asked for. */
export function useAdmin(url: string): Admin {
  const [view, setView] = useState<AdminView | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<string | null>(null);
  const refresh = useCallback(
    async (signal?: AbortSignal) => {
      try {
        setView((await ask(url, { ...(signal && { signal }) })) as unknown as AdminView);
        setFailure(null);
      } catch (error) {
        if (!signal?.aborted) setFailure((error as Error).message);
      }
    },
    [url],
  );
  useEffect(() => {
    const leave = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const repeat = async () => {
      if (!document.hidden) await refresh(leave.signal);
      if (!leave.signal.aborted) timer = setTimeout(repeat, REFRESH_MS);
    };
    void repeat();
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [refresh]);
  const act: Admin["act"] = async (request, outcome) => {
    try {
      const headers = { "Content-Type": "application/json" };
      setOutcome(outcome(await ask(url, { method: "POST", headers, body: JSON.stringify(request) })));
    } catch (error) {
      setOutcome((error as Error).message);
    }
    await refresh();
  };
  return { view, failure, outcome, act };
}

/** The steps of a job, read anew where `version` differs; null until they are known. */
export function useSteps(url: string, jobId: string, version: string): AdminStep[] | null {
  const [steps, setSteps] = useState<AdminStep[] | null>(null);
  useEffect(() => {
    const leave = new AbortController();
    const address = `${url}${url.includes("?") ? "&" : "?"}jobId=${encodeURIComponent(jobId)}`;
    // Where it fails, the view says so within seconds: it asks the same server.
    ask(address, { signal: leave.signal }).then(({ steps }) => setSteps(steps as AdminStep[]), () => {});
    return () => leave.abort();
  }, [url, jobId, version]);
  return steps;
}

async function ask(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(url, { ...init, cache: "no-store" }).catch((error: unknown) => {
    throw new Error("The server can't be reached.", { cause: error });
  });
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return body;
  throw new Error(typeof body["error"] === "string" ? body["error"] : `The server responds with status ${response.status}.`);
}
