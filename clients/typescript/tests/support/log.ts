import type { Pool } from "pg";

import type { LogEvent } from "@pinacle/client";

/** Writes a pod's log as the worker does: a row before the command, output while it runs, and its end. */
export class LogWriter {
  #rows = 0;

  constructor(
    readonly pool: Pool,
    readonly podId: string,
  ) {}

  async begin(command: string | null, label: string | null = null): Promise<string> {
    const id = `log_${this.podId}_${(this.#rows += 1)}`;
    await this.pool.query(
      `INSERT INTO pinacle.pod_logs (id, pod_id, timestamp, command, container_command, label)
       VALUES ($1, $2, clock_timestamp(), 'docker exec ' || coalesce($3, 'true'), $3, $4)`,
      [id, this.podId, command, label],
    );
    return id;
  }

  async print(id: string, stdout: string, stderr = ""): Promise<void> {
    const text = "UPDATE pinacle.pod_logs SET stdout = stdout || $2, stderr = stderr || $3 WHERE id = $1";
    await this.pool.query(text, [id, stdout, stderr]);
  }

  /** Writes the output as a whole, as the worker does where it cuts out the middle. */
  async replace(id: string, stdout: string): Promise<void> {
    await this.pool.query("UPDATE pinacle.pod_logs SET stdout = $2 WHERE id = $1", [id, stdout]);
  }

  async end(id: string, exitCode = 0): Promise<void> {
    await this.pool.query("UPDATE pinacle.pod_logs SET exit_code = $2, duration = 5 WHERE id = $1", [id, exitCode]);
  }
}

/** What a terminal would show. */
export function shown(events: readonly LogEvent[]): string {
  return events
    .map((event) => {
      if (event.type === "command") return `$ ${event.containerCommand ?? event.command}\n`;
      return event.type === "output" ? event.stdout + event.stderr : `(${event.exitCode})\n`;
    })
    .join("");
}

/** Reads on until what is shown ends so. */
export async function until(log: AsyncIterable<LogEvent>, end: string, events: LogEvent[] = []): Promise<LogEvent[]> {
  for await (const event of log) {
    events.push(event);
    if (shown(events).endsWith(end)) break;
  }
  return events;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
