// Writes dist/react/styles.css: xterm's own, then ours. Bundlers differ in how they find an @import of a package.
import { readFileSync, writeFileSync } from "node:fs";

const root = new URL("..", import.meta.url);
const parts = ["node_modules/@xterm/xterm/css/xterm.css", "src/react/styles.css"];
const text = parts.map((name) => readFileSync(new URL(name, root), "utf8")).join("\n");
writeFileSync(new URL("dist/react/styles.css", root), text);
