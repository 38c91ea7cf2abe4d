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
import { InvalidInput } from "../errors.js";
import type { OpenCommand } from "../follow/cursor.js";
import { DEFAULT_PAGE, pageOf } from "../input.js";
import { explained, type Subject } from "./errors.js";
import { Listener } from "./listener.js";
import type { Pool } from "./pool.js";

/** Of a log: how many rows are held in memory at a time, and how many bytes of output but for the last row's. */
const PAGE_ROWS = 500;
const PAGE_BYTES = 4 * 1024 * 1024;
/** Beyond what is stored of any output that has not lost its middle, in bytes. */
const MAX_OFFSET = 2_000_000_000;
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

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async transaction<T>(tx: Queryable | undefined, work: (tx: Queryable) => Promise<T>): Promise<T> {
    if (tx) {
      if ("totalCount" in tx) throw new InvalidInput("`tx` is a pool, which is no transaction. Give one of its connections.");
      return work(tx);
    }
    const connection = await this.#pool.connect();
    let isBroken = false;
    // The pool listens to its idle connections alone, and an error that nobody listens to ends the process.
    const lost = () => {
      isBroken = true;
    };
    connection.on("error", lost);
    try {
      await connection.query("BEGIN");
      const result = await work(connection);
      await connection.query("COMMIT");
      return result;
    } catch (error) {
      await connection.query("ROLLBACK").catch(lost);
      throw error;
    } finally {
      // One that is broken may say so once more.
      if (!isBroken) connection.off("error", lost);
      connection.release(isBroken);
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

  async createOf(tx: Queryable, { id, name, slug, config, ownerId }: NewPod): Promise<string | null> {
    const rows = await run<{ id: string }>(
      tx,
      `SELECT j.id FROM pinacle.pods p JOIN pinacle.pod_jobs j ON j.pod_id = p.id AND j.kind = 'create'
       WHERE p.id = $1::text AND p.name = $2::text AND p.slug = $3::text AND p.config = $4::text::jsonb
         AND p.owner_id IS NOT DISTINCT FROM $5::text AND p.destroyed_at IS NULL
       ORDER BY j.position LIMIT 1`,
      [id ?? null, name, slug, JSON.stringify(config), ownerId ?? null],
      { podId: id },
    );
    return rows[0]?.id ?? null;
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

  async pod(id: string): Promise<Pod | null> {
    return (await this.#select<Pod>(`SELECT ${PODS_COLUMNS} FROM pinacle.pods WHERE id = $1`, [id]))[0] ?? null;
  }

  pods(filter: PodFilter, page: Page): Promise<Pod[]> {
    const alive = filter.includeDestroyed ? [] : ["destroyed_at IS NULL"];
    return this.#list<Pod>(`SELECT ${PODS_COLUMNS} FROM pinacle.pods`, ["created_at", "id"], page, alive, [
      ["owner_id = ?", filter.ownerId],
      ["server_id = ?", filter.serverId],
      ["status = ANY (?)", several(filter.status)],
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
    // The jobs of one transaction have one time.
    return this.#list<Job>(`SELECT ${POD_JOBS_COLUMNS} FROM pinacle.pod_jobs`, ["created_at", "position"], page, [], [
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

  async logRows(podId: string, all: boolean, after: LogPlace | null): Promise<{ rows: PlacedLogRow[]; isLast: boolean }> {
    // Each condition stands alone, so that the index of the rows that a user sees can be used.
    const seen = all ? "" : "AND container_command IS NOT NULL";
    const behind = after ? "AND (timestamp, id) > ('epoch'::timestamptz + $2::bigint * interval '1 microsecond', $3)" : "";
    const rows = await this.#select<PlacedLogRow & { bytes: number }>(
      `SELECT ${POD_LOGS_COLUMNS}, ${MICROS} AS micros, 0 AS "stdoutFrom", 0 AS "stderrFrom", bytes::float8 AS bytes
       FROM (SELECT *, sum(size) OVER (ORDER BY timestamp, id) AS bytes
             FROM (SELECT *, octet_length(coalesce(stdout, '')) + octet_length(coalesce(stderr, '')) AS size
                   FROM pinacle.pod_logs WHERE pod_id = $1 ${seen} ${behind} ORDER BY timestamp, id LIMIT ${PAGE_ROWS}) page) sized
       WHERE bytes - size <= ${PAGE_BYTES} ORDER BY timestamp, id`,
      [podId, ...(after ? [after.micros, after.id] : [])],
    );
    return { rows, isLast: rows.length < PAGE_ROWS && (rows.at(-1)?.bytes ?? 0) <= PAGE_BYTES };
  }

  logRowsById(podId: string, open: readonly OpenCommand[]): Promise<PlacedLogRow[]> {
    // An output that has lost its middle is read as a whole: what is behind a place depends on where the cut is.
    const isWhole = (stream: string) => `l.${stream} NOT LIKE '%[… % bytes cut …]%'`;
    const rest = (stream: string) =>
      `CASE WHEN ${isWhole(stream)}
            THEN convert_from(substring(convert_to(l.${stream}, 'UTF8') FROM least(o.${stream}, ${MAX_OFFSET})::int + 1), 'UTF8')
            ELSE l.${stream} END AS ${stream},
       CASE WHEN ${isWhole(stream)} THEN o.${stream} ELSE 0 END::float8 AS "${stream}From"`;
    return this.#select(
      `SELECT ${POD_LOGS_COLUMNS}, ${MICROS} AS micros, "stdoutFrom", "stderrFrom"
       FROM (SELECT l.id, l.pod_id, l.timestamp, l.command, l.container_command, ${rest("stdout")}, ${rest("stderr")},
                    l.exit_code, l.duration, l.label, l.job_id, l.created_at
             FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS o (id, stdout, stderr)
             JOIN pinacle.pod_logs l ON l.id = o.id AND l.pod_id = $1) rows`,
      [podId, open.map(({ id }) => id), open.map(({ stdout }) => stdout), open.map(({ stderr }) => stderr)],
    );
  }

  async podState(podId: string): Promise<PodEvent[]> {
    const pods = await this.#select<PodEvent>(`SELECT ${POD_EVENT} FROM pinacle.pods WHERE id = $1`, [podId]);
    const last = `SELECT position FROM pinacle.pod_jobs WHERE pod_id = $1 ORDER BY position DESC LIMIT ${STATE_JOBS}`;
    const jobs = `SELECT ${JOB_EVENT} FROM pinacle.pod_jobs
      WHERE pod_id = $1 AND (finished_at IS NULL OR position IN (${last})) ORDER BY position`;
    return [...pods, ...(await this.#select<PodEvent>(jobs, [podId]))];
  }

  async changedSince(since: Date): Promise<PodEvent[]> {
    // A worker writes the pod's row with every claim and every end. A job that is cancelled while it waits changes alone.
    const pods = `SELECT ${POD_EVENT} FROM pinacle.pods WHERE updated_at >= $1 ORDER BY updated_at`;
    const jobs = `SELECT ${JOB_EVENT} FROM pinacle.pod_jobs j
      WHERE created_at >= $1
         OR pod_id IN (SELECT id FROM pinacle.pods WHERE updated_at >= $1) AND (finished_at IS NULL OR finished_at >= $1)
         OR status = 'cancelled' AND finished_at >= $1
      ORDER BY position`;
    const values = [new Date(since.getTime() - LONGEST_COMMIT_MS)];
    return [...(await this.#select<PodEvent>(pods, values)), ...(await this.#select<PodEvent>(jobs, values))];
  }

  subscribe(podId: string | undefined): Subscription {
    return listenerOf(this.#pool).subscribe(podId);
  }

  #list<Row>(
    select: string,
    order: [string, string],
    { limit = DEFAULT_PAGE, after }: Page,
    conditions: string[],
    filters: [condition: string, value: unknown][],
  ): Promise<Row[]> {
    const values: unknown[] = [pageOf(limit)];
    const table = select.slice(select.lastIndexOf(" "));
    const behind = `(${order.join(", ")}) < (SELECT ${order.join(", ")} FROM ${table} WHERE id = ?)`;
    const told = filters
      .concat([[behind, after]])
      .filter(([, value]) => value !== undefined)
      .map(([condition, value]) => condition.replace("?", () => `$${values.push(value)}`));
    const where = [...conditions, ...told].join(" AND ") || "true";
    return this.#select(`${select} WHERE ${where} ORDER BY ${order.join(" DESC, ")} DESC LIMIT $1`, values);
  }

  async #select<Row>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return (await this.#pool.query(text, values)).rows.map((row) => withDates(row as object)) as Row[];
    } catch (error) {
      throw explained(error);
    }
  }
}

// Clients of one pool share its listener: in a development server there may be a client for each bundle.
const listeners = new WeakMap<Pool, Listener>();

function listenerOf(pool: Pool): Listener {
  const listener = listeners.get(pool) ?? new Listener(pool);
  listeners.set(pool, listener);
  return listener;
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

// An app may have told `pg` to leave times as texts.
function withDates(row: object): object {
  const texts = Object.entries(row).filter(([field, value]) => /^(timestamp|.*At)$/.test(field) && typeof value === "string");
  return texts.length === 0 ? row : { ...row, ...Object.fromEntries(texts.map(([field, text]) => [field, new Date(text as string)])) };
}
