interface Reads<T> {
  running: Promise<T>;
  next: Promise<T> | undefined;
}

/**
 * Those who ask for the same share reads, so a thousand followers cost what two cost. Nobody joins a read that runs: it
 * may have looked before what he was woken for.
 */
export class SharedReads<T> {
  readonly #reads = new Map<string, Reads<T>>();

  get(key: string, read: () => Promise<T>): Promise<T> {
    const reads = this.#reads.get(key);
    if (!reads) return this.#start(key, read);
    reads.next ??= reads.running.then(
      () => this.#start(key, read),
      () => this.#start(key, read),
    );
    return reads.next;
  }

  #start(key: string, read: () => Promise<T>): Promise<T> {
    const reads: Reads<T> = { running: read(), next: undefined };
    this.#reads.set(key, reads);
    const done = () => {
      if (!reads.next) this.#reads.delete(key);
    };
    reads.running.then(done, done);
    return reads.running;
  }
}
