// xterm itself, whose terminals a test can look into: it offers no other way to read more than the screen.
import { Terminal as Xterm } from "../../../node_modules/@xterm/xterm/lib/xterm.mjs";

export class Terminal extends Xterm {
  constructor(options) {
    super(options);
    globalThis.terminal = this;
  }
}
