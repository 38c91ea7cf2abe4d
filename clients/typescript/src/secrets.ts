import type { Backend } from "./backend.js";
import type { Secret } from "./generated/schema.js";
import type { InTransaction } from "./pods.js";
import type { Sealer, SecretPlace } from "./seal.js";

/** What a pod needs and nobody may read. A pod gets a changed secret with its next start. */
export class Secrets {
  readonly #backend: Backend;
  readonly #sealer: Sealer | undefined;

  constructor(backend: Backend, sealer: Sealer | undefined) {
    this.#backend = backend;
    this.#sealer = sealer;
  }

  /** Adds or replaces a secret. It is sealed before it leaves the app where the client has the public key. */
  put(place: SecretPlace, value: string, { tx }: InTransaction = {}): Promise<void> {
    const stored = this.#sealer?.seal(place, value) ?? value;
    return this.#backend.transaction(tx, (tx) => this.#backend.putSecret(tx, { ...place, value: stored }));
  }

  /** Whether there was one. */
  delete(place: SecretPlace, { tx }: InTransaction = {}): Promise<boolean> {
    return this.#backend.transaction(tx, (tx) => this.#backend.deleteSecret(tx, place));
  }

  /** The names; the values can't be read. */
  list(podId: string): Promise<Secret[]> {
    return this.#backend.secrets(podId);
  }
}
