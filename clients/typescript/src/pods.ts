import type { Backend, NewPod, Page, PodFilter, Queryable } from "./backend.js";
import { checkConfig } from "./config.js";
import { NoSuchPod, NotFailed, PodExists } from "./errors.js";
import type { PodConfig } from "./generated/pod-config.js";
import type { Pod } from "./generated/schema.js";
import { asJson, checkText, checkTexts } from "./input.js";
import type { Secrets } from "./secrets.js";

export interface CreatePod {
  /** Up to 100 letters, digits, `_`, `.` and `-`. Where a form brings its own, sending it twice makes one pod. */
  id?: string | undefined;
  /** Shown to people. */
  name: string;
  /** A part of the pod's hostname, unique among pods that are not destroyed: up to 43 small letters, digits, hyphens. */
  slug: string;
  config?: PodConfig | undefined;
  /** Whose pod it is; limits are held per owner. */
  ownerId?: string | undefined;
  /** The host; the worker picks one where this is left out. */
  serverId?: string | undefined;
  secrets?: {
    /** Environment variables of everything in the pod. */
    env?: Record<string, string> | undefined;
    /** A private key in OpenSSH's format, by which the repository is cloned. */
    deployKey?: string | undefined;
  } | undefined;
  /** Who asked, as the admin's page shows it. */
  requestedBy?: string | undefined;
}

export interface InTransaction {
  /** The app's own transaction; without one, the client makes its own. */
  tx?: Queryable | undefined;
}

const PORTION = 100;

export class Pods {
  readonly #backend: Backend;
  readonly #secrets: Secrets;

  constructor(backend: Backend, secrets: Secrets) {
    this.#backend = backend;
    this.#secrets = secrets;
  }

  /**
   * Inserts the pod with its secrets, and enqueues its `create`. Where the same pod is there already, by id, name, slug,
   * owner and config, nothing is changed, and its first job is returned.
   *
   * @throws {InvalidConfig} before anything is inserted
   * @throws {SlugTaken} a pod that is not destroyed has the slug
   * @throws {PodExists} another pod has the id
   * @throws {InvalidInput} the database refuses a value
   */
  async create(input: CreatePod, { tx }: InTransaction = {}): Promise<{ podId: string; jobId: string }> {
    const { id, name, slug, serverId, ownerId, requestedBy } = input;
    const config = asJson("The config of a pod", input.config ?? {}).value;
    checkConfig(config);
    checkText("A pod's name", name);
    checkText("A pod's slug", slug);
    checkTexts({ "A pod's id": id, "A pod's ownerId": ownerId, "A pod's serverId": serverId, requestedBy });
    const pod = { id, name, slug, config, serverId, ownerId };
    return this.#backend.transaction(tx, async (tx) => {
      const podId = await this.#backend.insertPod(tx, pod);
      if (podId === null) return this.#sameWish(tx, pod);
      for (const [name, value] of Object.entries(input.secrets?.env ?? {})) {
        await this.#secrets.put({ podId, kind: "env", name }, value, { tx });
      }
      if (input.secrets?.deployKey !== undefined) {
        await this.#secrets.put({ podId, kind: "deploy_key", name: "" }, input.secrets.deployKey, { tx });
      }
      const job = { podId, kind: "create", payload: {}, runAt: undefined, priority: 0, requestedBy } as const;
      return { podId, jobId: await this.#backend.enqueue(tx, job) };
    });
  }

  // What is there already, where it is what was asked for: a form that was sent twice.
  async #sameWish(tx: Queryable, pod: NewPod): Promise<{ podId: string; jobId: string }> {
    const jobId = await this.#backend.createOf(tx, pod);
    if (pod.id === undefined || jobId === null) {
      throw new PodExists(`There is another pod "${pod.id}" already. Leave the id out, or choose another.`);
    }
    return { podId: pod.id, jobId };
  }

  /** The pod, or null where there is none with this id. */
  get(podId: string): Promise<Pod | null> {
    return this.#backend.pod(podId);
  }

  /** Newest first. */
  async list(filter: PodFilter & Page = {}): Promise<Pod[]> {
    // An owner whom the app doesn't know would see everybody's.
    if ("ownerId" in filter) checkText("The ownerId of a list", filter.ownerId);
    return this.#backend.pods(filter, filter);
  }

  /**
   * Enqueues the last failed kind of a failed pod again, and returns the job's id.
   *
   * @throws {NotFailed} the pod is in another state
   * @throws {NoSuchPod}
   */
  async requeue(podId: string, { requestedBy, tx }: { requestedBy?: string | undefined } & InTransaction = {}): Promise<string> {
    return this.#backend.transaction(tx, (tx) => this.#backend.requeue(tx, podId, requestedBy));
  }

  /** Requeues the failed pods, each in a transaction of its own, and returns how many. */
  async requeueFailed(
    { requestedBy, ...filter }: { requestedBy?: string | undefined } & Pick<PodFilter, "ownerId" | "serverId"> = {},
  ): Promise<number> {
    let requeued = 0;
    let after: string | undefined;
    for (;;) {
      const page = await this.list({ ...filter, status: "failed", limit: PORTION, after });
      for (const pod of page) {
        try {
          await this.requeue(pod.id, { requestedBy });
          requeued += 1;
        } catch (error) {
          // Somebody else requeued or destroyed it meanwhile.
          if (!(error instanceof NotFailed || error instanceof NoSuchPod)) throw error;
        }
      }
      if (page.length < PORTION) return requeued;
      after = page.at(-1)?.id;
    }
  }
}
