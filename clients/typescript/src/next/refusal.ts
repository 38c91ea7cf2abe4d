/** A response without what was asked for, and why, for a person. */
export function refusal(status: number, message: string): Response {
  return Response.json({ error: message }, { status, headers: { "Cache-Control": "no-store" } });
}
