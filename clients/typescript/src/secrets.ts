import type { Backend } from "./backend.js";
import { InvalidInput } from "./errors.js";
import type { Secret } from "./generated/schema.js";
import { checkText } from "./input.js";
import type { InTransaction } from "./pods.js";
import type { Sealer, SecretPlace } from "./seal.js";

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const SEALED = /^hpke:v1:[0-9a-f]{16}:[A-Za-z0-9+/]+={0,2}$/;

// What a worker would refuse when the pod's next job begins.
function checkSecret({ kind, name }: SecretPlace, value: string, willBeSealed: boolean): void {
  checkText(`The secret "${name}"`, value);
  if (kind === "env" && !VARIABLE.test(name)) {
    throw new InvalidInput(`"${name}" is not the name of an environment variable: letters, digits and "_", no digit first.`);
  }
  if (!willBeSealed && value.startsWith("hpke:") && !SEALED.test(value)) {
    throw new InvalidInput(`The secret "${name}" begins as a sealed one does, and is none. Give the client the secretsKey.`);
  }
}

/** What a pod needs and nobody may read. A pod gets a changed secret with its next start. */
export class Secrets {
  readonly #backend: Backend;
  readonly #sealer: Sealer | undefined;

  constructor(backend: Backend, sealer: Sealer | undefined) {
    this.#backend = backend;
    this.#sealer = sealer;
  }

  /** Adds or replaces a secret. It is sealed before it leaves the app where the client has the public key. */
  async put(place: SecretPlace, value: string, { tx }: InTransaction = {}): Promise<void> {
    checkSecret(place, value, this.#sealer !== undefined);
    const stored = this.#sealer?.seal(place, value) ?? value;
    return this.#backend.transaction(tx, (tx) => this.#backend.putSecret(tx, { ...place, value: stored }));
  }

  /** Whether there was one. */
  async delete(place: SecretPlace, { tx }: InTransaction = {}): Promise<boolean> {
    return this.#backend.transaction(tx, (tx) => this.#backend.deleteSecret(tx, place));
  }

  /** The names; the values can't be read. */
  list(podId: string): Promise<Secret[]> {
    return this.#backend.secrets(podId);
  }
}
