import type {
  Backend,
  JobFilter,
  LogPlace,
  NewJob,
  NewPod,
  NewSecret,
  Page,
  PlacedLogRow,
  PodEvent,
  PodFilter,
  Queryable,
  Subscription,
} from "../backend.js";
import {
  type Job,
  type JobStep,
  type Pod,
  POD_JOB_STEPS_COLUMNS,
  POD_JOBS_COLUMNS,
  POD_LOGS_COLUMNS,
  POD_SECRETS_COLUMNS,
  PODS_COLUMNS,
  type Secret,
  type Server,
  SERVERS_COLUMNS,
} from "../generated/schema.js";
import { explained, type Subject } from "./errors.js";
import { Listener } from "./listener.js";
import type { Pool } from "./pool.js";

const DEFAULT_PAGE = 100;
const LONGEST_PAGE = 1000;
/** How many of a pod's jobs are read where changes of it may have been missed. */
const STATE_JOBS = 10;
/** A row's time is that of its transaction's beginning, which may commit as much later, in milliseconds. */
const LONGEST_COMMIT_MS = 60_000;
const POD_EVENT = `id AS "podId", NULL AS "jobId", NULL AS kind, status, NULL AS step, NULL::int AS "stepsDone", NULL::int AS "stepsTotal"`;
const JOB_EVENT = `pod_id AS "podId", id AS "jobId", kind, status, step, steps_done AS "stepsDone", steps_total AS "stepsTotal"`;
const MICROS = "(extract(epoch FROM timestamp) * 1000000)::bigint::text";

/** Pods and jobs in PostgreSQL. What runs in the app's transaction takes and gives texts and numbers alone: the
 * libraries differ in what they make of anything else. */
export class PostgresBackend implements Backend {
  readonly #pool: Pool;
  readonly #listener: Listener;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.#listener = new Listener(pool);
  }

  async transaction<T>(tx: Queryable | undefined, work: (tx: Queryable) => Promise<T>): Promise<T> {
    if (tx) return work(tx);
    const connection = await this.#pool.connect();
    let broken: unknown;
    try {
      await connection.query("BEGIN");
      const result = await work(connection);
      await connection.query("COMMIT");
      return result;
    } catch (error) {
      await connection.query("ROLLBACK").catch((failure: unknown) => {
        broken = failure;
      });
      throw error;
    } finally {
      connection.release(broken !== undefined);
    }
  }

  async insertPod(tx: Queryable, { id, name, slug, config, serverId, ownerId }: NewPod): Promise<string | null> {
    const rows = await run<{ id: string }>(
      tx,
      `INSERT INTO pinacle.pods (id, name, slug, config, server_id, owner_id)
       VALUES (coalesce($1::text, pinacle.pinacle_id('pod')), $2::text, $3::text, $4::text::jsonb, $5::text, $6::text)
       ON CONFLICT (id) DO NOTHING RETURNING id`,
      [id ?? null, name, slug, JSON.stringify(config), serverId ?? null, ownerId ?? null],
      { podId: id, slug, serverId },
    );
    return rows[0]?.id ?? null;
  }

  async createJob(tx: Queryable, podId: string): Promise<string | null> {
    const text = "SELECT id FROM pinacle.pod_jobs WHERE pod_id = $1::text AND kind = 'create' ORDER BY position LIMIT 1";
    return (await run<{ id: string }>(tx, text, [podId], { podId }))[0]?.id ?? null;
  }

  async putSecret(tx: Queryable, { podId, kind, name, value }: NewSecret): Promise<void> {
    // `excluded.value` would be read, and the app's role may not read a value.
    await run(
      tx,
      `INSERT INTO pinacle.pod_secrets (pod_id, kind, name, value) VALUES ($1::text, $2::text, $3::text, $4::text)
       ON CONFLICT (pod_id, kind, name) DO UPDATE SET value = $4::text`,
      [podId, kind, name, value],
      { podId },
    );
  }

  async deleteSecret(tx: Queryable, { podId, kind, name }: Omit<NewSecret, "value">): Promise<boolean> {
    const rows = await run(
      tx,
      `DELETE FROM pinacle.pod_secrets WHERE pod_id = $1::text AND kind = $2::text AND name = $3::text RETURNING name`,
      [podId, kind, name],
      { podId },
    );
    return rows.length > 0;
  }

  async enqueue(tx: Queryable, { podId, kind, payload, runAt, priority, requestedBy }: NewJob): Promise<string> {
    const [row] = await run<{ id: string }>(
      tx,
      `SELECT pinacle.enqueue_pod_job($1::text, $2::text, $3::text::jsonb, $4::text::timestamptz, $5::int, $6::text) AS id`,
      [podId, kind, JSON.stringify(payload), runAt?.toISOString() ?? null, priority, requestedBy ?? null],
      { podId },
    );
    return row!.id;
  }

  async requeue(tx: Queryable, podId: string, requestedBy: string | undefined): Promise<string> {
    const values = [podId, requestedBy ?? null];
    const [row] = await run<{ id: string }>(tx, "SELECT pinacle.requeue_pod($1::text, $2::text) AS id", values, { podId });
    return row!.id;
  }

  async cancel(tx: Queryable, jobId: string): Promise<boolean> {
    const text = "SELECT CASE WHEN pinacle.cancel_pod_job($1::text) THEN 1 ELSE 0 END AS cancelled";
    const [row] = await run<{ cancelled: number }>(tx, text, [jobId], { jobId });
    return Number(row!.cancelled) === 1;
  }

  async pod(id: string, tx?: Queryable): Promise<Pod | null> {
    if (!tx) return (await this.#select<Pod>(`SELECT ${PODS_COLUMNS} FROM pinacle.pods WHERE id = $1`, [id]))[0] ?? null;
    const text = `SELECT row_to_json(p)::text AS pod FROM (SELECT ${PODS_COLUMNS} FROM pinacle.pods WHERE id = $1::text) p`;
    const [row] = await run<{ pod: string }>(tx, text, [id], { podId: id });
    return row ? withDates(JSON.parse(row.pod) as Pod) : null;
  }

  pods(filter: PodFilter, page: Page): Promise<Pod[]> {
    return this.#list<Pod>("pods", PODS_COLUMNS, page, [
      ["owner_id = ?", filter.ownerId],
      ["server_id = ?", filter.serverId],
      ["status = ANY (?)", several(filter.status)],
      [filter.includeDestroyed ? "?" : "?::bool AND destroyed_at IS NULL", true],
    ]);
  }

  secrets(podId: string): Promise<Secret[]> {
    const text = `SELECT ${POD_SECRETS_COLUMNS} FROM pinacle.pod_secrets WHERE pod_id = $1 ORDER BY kind, name`;
    return this.#select(text, [podId]);
  }

  async job(id: string): Promise<Job | null> {
    return (await this.#select<Job>(`SELECT ${POD_JOBS_COLUMNS} FROM pinacle.pod_jobs WHERE id = $1`, [id]))[0] ?? null;
  }

  jobs(filter: JobFilter, page: Page): Promise<Job[]> {
    return this.#list<Job>("pod_jobs", POD_JOBS_COLUMNS, page, [
      ["pod_id = ?", filter.podId],
      ["status = ANY (?)", several(filter.status)],
    ]);
  }

  steps(jobId: string): Promise<JobStep[]> {
    const text = `SELECT ${POD_JOB_STEPS_COLUMNS} FROM pinacle.pod_job_steps WHERE job_id = $1 ORDER BY position`;
    return this.#select(text, [jobId]);
  }

  servers(): Promise<Server[]> {
    return this.#select(`SELECT ${SERVERS_COLUMNS} FROM pinacle.servers ORDER BY name`, []);
  }

  logRows(podId: string, all: boolean, after: LogPlace | null, limit: number): Promise<PlacedLogRow[]> {
    // Each condition stands alone, so that the index of the rows that a user sees can be used.
    const seen = all ? "" : "AND container_command IS NOT NULL";
    const behind = after ? "AND (timestamp, id) > ('epoch'::timestamptz + $3::bigint * interval '1 microsecond', $4)" : "";
    return this.#select(
      `SELECT ${POD_LOGS_COLUMNS}, ${MICROS} AS micros FROM pinacle.pod_logs
       WHERE pod_id = $1 ${seen} ${behind} ORDER BY timestamp, id LIMIT $2`,
      [podId, limit, ...(after ? [after.micros, after.id] : [])],
    );
  }

  logRowsById(podId: string, ids: readonly string[]): Promise<PlacedLogRow[]> {
    const text = `SELECT ${POD_LOGS_COLUMNS}, ${MICROS} AS micros FROM pinacle.pod_logs WHERE pod_id = $1 AND id = ANY ($2)`;
    return this.#select(text, [podId, ids]);
  }

  async podState(podId: string): Promise<PodEvent[]> {
    const pods = await this.#select<PodEvent>(`SELECT ${POD_EVENT} FROM pinacle.pods WHERE id = $1`, [podId]);
    const jobs = `SELECT ${JOB_EVENT} FROM pinacle.pod_jobs WHERE pod_id = $1 ORDER BY position DESC LIMIT ${STATE_JOBS}`;
    return [...pods, ...(await this.#select<PodEvent>(jobs, [podId])).reverse()];
  }

  async changedSince(since: Date): Promise<PodEvent[]> {
    // A worker writes the pod's row with every claim and every end, so a job that has changed is one of such a pod.
    const pods = `SELECT ${POD_EVENT} FROM pinacle.pods WHERE updated_at >= $1 ORDER BY updated_at`;
    const jobs = `SELECT ${JOB_EVENT} FROM pinacle.pod_jobs j
      WHERE created_at >= $1
         OR pod_id IN (SELECT id FROM pinacle.pods WHERE updated_at >= $1) AND (finished_at IS NULL OR finished_at >= $1)
      ORDER BY position`;
    const values = [new Date(since.getTime() - LONGEST_COMMIT_MS)];
    return [...(await this.#select<PodEvent>(pods, values)), ...(await this.#select<PodEvent>(jobs, values))];
  }

  subscribe(podId: string | undefined): Subscription {
    return this.#listener.subscribe(podId);
  }

  #list<Row>(
    table: string,
    columns: string,
    { limit = DEFAULT_PAGE, after }: Page,
    filters: [condition: string, value: unknown][],
  ): Promise<Row[]> {
    const values: unknown[] = [Math.min(Math.max(Math.trunc(limit), 0), LONGEST_PAGE)];
    const conditions = filters
      .concat([[`(created_at, id) < (SELECT created_at, id FROM pinacle.${table} WHERE id = ?)`, after]])
      .filter(([, value]) => value !== undefined)
      .map(([condition, value]) => condition.replace("?", () => `$${values.push(value)}`));
    const where = conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : "";
    return this.#select(`SELECT ${columns} FROM pinacle.${table} ${where} ORDER BY created_at DESC, id DESC LIMIT $1`, values);
  }

  async #select<Row>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return (await this.#pool.query(text, values)).rows as Row[];
    } catch (error) {
      throw explained(error);
    }
  }
}

async function run<Row>(tx: Queryable, text: string, values: unknown[], about: Subject): Promise<Row[]> {
  try {
    return (await tx.query(text, values)).rows as Row[];
  } catch (error) {
    throw explained(error, about);
  }
}

function several<T>(value: T | readonly T[] | undefined): readonly T[] | undefined {
  return value === undefined || Array.isArray(value) ? (value as readonly T[] | undefined) : [value as T];
}

function withDates(pod: Pod): Pod {
  const dates = Object.entries(pod).filter(([field, value]) => field.endsWith("At") && value !== null);
  return { ...pod, ...Object.fromEntries(dates.map(([field, value]) => [field, new Date(value as unknown as string)])) };
}
