// Compiles the JSON Schema of a pod's config to dist/config-check.js, which needs no library.
import { readFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
const schema = JSON.parse(readFileSync(new URL("src/generated/pod-config.schema.json", root), "utf8"));
const ajv = new Ajv.default({
  allErrors: true,
  // It has no cases to tell apart: the schema gives each number its bounds.
  formats: { uint16: true },
  code: { source: true, esm: true },
});
await build({
  stdin: { contents: `export { default as validate } from "check";`, resolveDir: root.pathname },
  plugins: [
    {
      name: "check",
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^check$/ }, () => ({ path: "check", namespace: "check" }));
        onLoad({ filter: /./, namespace: "check" }, () => ({
          contents: standalone.default(ajv, ajv.compile(schema)),
          resolveDir: root.pathname,
        }));
      },
    },
  ],
  bundle: true,
  format: "esm",
  outfile: new URL("dist/config-check.js", root).pathname,
});
