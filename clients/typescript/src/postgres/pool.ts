import type { Queryable } from "../backend.js";

/** What the client needs of a connection of `pg`. */
export interface Connection extends Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  on(event: "notification", listener: (notification: Notification) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  release(destroy?: boolean): void;
}

export interface Notification {
  channel: string;
  payload?: string | undefined;
}

/** What the client needs of a pool: a `Pool` of `pg` is one, and so is what has its form. */
export interface Pool {
  readonly options: { readonly max: number };
  /** Whether the app is ending it. */
  readonly ending?: boolean;
  connect(): Promise<Connection>;
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}
