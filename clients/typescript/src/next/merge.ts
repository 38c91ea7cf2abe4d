/** Frames of a stream, as one after the other is asked for. */
export type Frames = AsyncGenerator<Uint8Array, void>;

/**
 * Yields what several generators yield, as it comes; of what is there at the same time, the earlier generator's first.
 * Nothing is read ahead but one item of each. Where nothing comes for `idleMs`, it yields `idle`.
 */
export async function* merge(sources: readonly Frames[], idle: Uint8Array, idleMs: number): Frames {
  const arrived = new Map<Frames, () => IteratorResult<Uint8Array, void>>();
  const ended = new Set<Frames>();
  // Not Promise.race: it would leave a callback on the pod's next event with every frame of the log.
  let wake = () => {};
  const ask = (source: Frames) => {
    const arrive = (result: () => IteratorResult<Uint8Array, void>) => {
      arrived.set(source, result);
      wake();
    };
    source.next().then(
      (result) => arrive(() => result),
      (error: unknown) =>
        arrive(() => {
          throw error;
        }),
    );
  };
  for (const source of sources) ask(source);
  while (ended.size < sources.length) {
    const source = sources.find((source) => arrived.has(source));
    if (!source) {
      const isIdle = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(resolve, idleMs, true);
        wake = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
      if (isIdle) yield idle;
      continue;
    }
    const { done, value } = arrived.get(source)!();
    arrived.delete(source);
    if (done) {
      ended.add(source);
    } else {
      ask(source);
      yield value;
    }
  }
}
