/** The SQLSTATE in an error's `code`, which may also be one of Node's (`EPIPE`) or of a library's own (`P2010`). */
export function sqlstate(code: unknown): string | undefined {
  const isOne = typeof code === "string" && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) && !/^P[1-9]/.test(code);
  return isOne ? code : undefined;
}
