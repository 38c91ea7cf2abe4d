import { setMaxListeners } from "node:events";

/** What the promise resolves to, unless the signal is aborted before: then it rejects with the signal's reason. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  // Nobody waits for one that loses.
  promise.catch(() => {});
  signal.throwIfAborted();
  // One signal may end all that a server follows.
  setMaxListeners(0, signal);
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Iterates until the signal is aborted or the reader goes, also while it waits: a generator's own `return` would wait for
 * the item that is asked for.
 */
export function untilAborted<T>(
  generate: (signal: AbortSignal) => AsyncGenerator<T, void>,
  outer: AbortSignal | undefined,
): AsyncIterableIterator<T> {
  const inner = new AbortController();
  const items = endingSilently(generate, inner, outer);
  return {
    next: () => items.next(),
    return() {
      inner.abort();
      return items.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* endingSilently<T>(
  generate: (signal: AbortSignal) => AsyncGenerator<T, void>,
  inner: AbortController,
  outer: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  const abort = () => inner.abort();
  if (outer) setMaxListeners(0, outer);
  outer?.addEventListener("abort", abort, { once: true });
  try {
    if (outer?.aborted) return;
    yield* generate(inner.signal);
  } catch (error) {
    if (!inner.signal.aborted) throw error;
  } finally {
    outer?.removeEventListener("abort", abort);
  }
}
