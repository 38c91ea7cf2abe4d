/** Those who ask for the same at the same time share one read, so a thousand followers cost what one costs. */
export class SharedReads<T> {
  readonly #reads = new Map<string, Promise<T>>();

  get(key: string, read: () => Promise<T>): Promise<T> {
    let shared = this.#reads.get(key);
    if (!shared) {
      shared = read().finally(() => this.#reads.delete(key));
      this.#reads.set(key, shared);
    }
    return shared;
  }
}
