import { createCipheriv, createHmac, createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";

import { InvalidInput } from "./errors.js";
import type { SecretKind } from "./generated/schema.js";

// HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, as far as sealing one value
// needs it. What takes the key and the suite's names apart is in section 4 of the RFC, the schedule in section 5.1.
const KEM = Buffer.concat([Buffer.from("KEM"), uint16(0x0020)]);
const SUITE = Buffer.concat([Buffer.from("HPKE"), uint16(0x0020), uint16(0x0001), uint16(0x0002)]);
const EMPTY = Buffer.alloc(0);
const HASH_BYTES = 32;
const AEAD_KEY_BYTES = 32;
const NONCE_BYTES = 12;
// A raw X25519 key in the form that Node.js reads (SubjectPublicKeyInfo, DER), without the key's 32 bytes.
const SPKI_HEAD = Buffer.from("302a300506032b656e032100", "hex");

/** The row that a secret belongs to; what is sealed for one opens in no other. */
export interface SecretPlace {
  podId: string;
  kind: SecretKind;
  name: string;
}

/** Seals secrets for the key that only the workers have. */
export class Sealer {
  readonly #keyId: string;
  readonly #publicKey: Buffer;

  /** @param printed what `pinacle-worker secrets public-key` prints */
  constructor(printed: string) {
    const parts = /^hpke:v1:([0-9a-f]{16}):([A-Za-z0-9+/]{43}=)$/.exec(printed.trim());
    if (!parts) {
      throw new InvalidInput(
        "The secrets' public key is not what `pinacle-worker secrets public-key` prints: hpke:v1:<key id>:<base64>.",
      );
    }
    this.#keyId = parts[1]!;
    this.#publicKey = Buffer.from(parts[2]!, "base64");
    try {
      this.seal({ podId: "", kind: "env", name: "" }, "");
    } catch (error) {
      // Such as one of zeros, which no private key has.
      throw new InvalidInput("The secrets' public key is not one of X25519.", { cause: error });
    }
  }

  /** What to store for a value. */
  seal(place: SecretPlace, value: string): string {
    const recipient = createPublicKey({
      key: Buffer.concat([SPKI_HEAD, this.#publicKey]),
      format: "der",
      type: "spki",
    });
    const ephemeral = generateKeyPairSync("x25519");
    const encapsulated = ephemeral.publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_HEAD.length);
    const dh = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient });
    const shared = expand(
      KEM,
      extract(KEM, EMPTY, "eae_prk", dh),
      "shared_secret",
      Buffer.concat([encapsulated, this.#publicKey]),
      HASH_BYTES,
    );
    const context = Buffer.concat([
      Buffer.from([0]),
      extract(SUITE, EMPTY, "psk_id_hash", EMPTY),
      extract(SUITE, EMPTY, "info_hash", EMPTY),
    ]);
    const secret = extract(SUITE, shared, "secret", EMPTY);
    const key = expand(SUITE, secret, "key", context, AEAD_KEY_BYTES);
    const nonce = expand(SUITE, secret, "base_nonce", context, NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(Buffer.from([place.podId, place.kind, place.name].join("\0")));
    const sealed = Buffer.concat([encapsulated, cipher.update(value, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `hpke:v1:${this.#keyId}:${sealed.toString("base64")}`;
  }
}

// LabeledExtract of section 4: HKDF-Extract is one HMAC.
function extract(suite: Buffer, salt: Buffer, label: string, input: Buffer): Buffer {
  const material = Buffer.concat([Buffer.from("HPKE-v1"), suite, Buffer.from(label), input]);
  return createHmac("sha256", salt.length > 0 ? salt : Buffer.alloc(HASH_BYTES)).update(material).digest();
}

// LabeledExpand of section 4. A key of at most 32 bytes is one round of HKDF-Expand.
function expand(suite: Buffer, key: Buffer, label: string, info: Buffer, bytes: number): Buffer {
  const labeled = Buffer.concat([uint16(bytes), Buffer.from("HPKE-v1"), suite, Buffer.from(label), info]);
  return createHmac("sha256", key).update(labeled).update(Buffer.from([1])).digest().subarray(0, bytes);
}

function uint16(number: number): Buffer {
  return Buffer.from([number >> 8, number & 0xff]);
}
