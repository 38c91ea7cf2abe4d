import type { Terminal } from "@xterm/xterm";

import type { LogEvent } from "../follow/logs.js";

type Ended = Extract<LogEvent, { type: "end" }>;

const RESET = "\x1b[0m";
const BOLD = "\x1b[1m";
// Not "faint", which xterm takes below the contrast that is asked for.
const GREY = "\x1b[90m";
const RED = "\x1b[31m";
const DEFAULT = "\x1b[39m";
/** Undoes what a command may have left: colours, a hidden cursor, the second screen. */
const RESTORE = `\x1b[!p\x1b[?47l${RESET}`;

/** Shows a log in a terminal: a head for each command, what it prints, errors in red, and how it ended. */
export class TerminalWriter {
  readonly #terminal: Terminal;
  /** The commands that run, by their id. */
  readonly #running = new Map<string, string>();
  /** Whose output is the last in the terminal. */
  #current: string | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Fulfilled once the terminal has taken the event: what waits in it would be memory without bound. */
  async write(event: LogEvent): Promise<void> {
    if (event.type === "command") {
      const command = event.containerCommand ?? event.command;
      this.#running.set(event.id, command);
      const label = event.label === null ? "" : `${GREY}${event.label}${RESET}\n`;
      const isFirst = this.#current === undefined;
      this.#current = event.id;
      return this.#line(`${isFirst ? "" : "\n"}${label}${BOLD}$ ${command}${RESET}\n`);
    }
    if (event.type === "output") {
      await this.#turnTo(event.id);
      return this.#print(`${event.stdout}${event.stderr && `${RED}${event.stderr}${DEFAULT}`}`);
    }
    await this.#turnTo(event.id);
    this.#running.delete(event.id);
    return this.#line(`${ending(event)}\n`);
  }

  // Commands that run at the same time print into one terminal.
  async #turnTo(id: string): Promise<void> {
    if (this.#current === id) return;
    this.#current = id;
    await this.#line(`${GREY}$ ${this.#running.get(id) ?? "…"} (goes on)${RESET}\n`);
  }

  // Whatever a command prints, what follows begins on a line of its own, in plain letters.
  #line(text: string): Promise<void> {
    const isInLine = this.#terminal.buffer.active.cursorX > 0;
    return this.#print(`${RESTORE}${isInLine ? "\n" : ""}${text}`);
  }

  #print(text: string): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(text, resolve));
  }
}

function ending({ exitCode, duration }: Ended): string {
  // Its row was deleted.
  if (exitCode === null) return `${GREY}the end of this command is not kept${RESET}`;
  const after = duration === null ? "" : `${GREY} after ${time(duration)}${RESET}`;
  return exitCode === 0 ? `${GREY}done${RESET}${after}` : `${RED}exit code ${exitCode}${RESET}${after}`;
}

function time(milliseconds: number): string {
  if (milliseconds < 1_000) return `${milliseconds} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1_000)} s`;
}
