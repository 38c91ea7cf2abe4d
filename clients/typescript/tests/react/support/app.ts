import { readFile } from "node:fs/promises";

import { type AdminAuthorize, adminRoute, podRoute } from "@pinacle/client/next";
import type { Client } from "@pinacle/client";
import { build } from "esbuild";

import { type Handler, WebServer } from "../../support/web.js";

const ROOT = new URL("../../../../", import.meta.url).pathname;

const HTML = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Pod</title>
    <link rel="stylesheet" href="/styles.css">
    <link rel="icon" href="data:,">
    <style>
      :root { color-scheme: light dark; }
      body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
    </style>
  </head>
  <body><main id="root"></main><script type="module" src="/page.js"></script></body>
</html>`;

/** A page over the package as it is built, and the routes it talks to. */
export async function app(client: Client, authorize: AdminAuthorize = () => null): Promise<WebServer> {
  const script = await bundled();
  const styles = await readFile(`${ROOT}dist/react/styles.css`, "utf8");
  const stream = podRoute({ client, authorize: (_, podId) => !podId.startsWith("foreign") });
  const admin = adminRoute({ client, authorize });
  const handler: Handler = (request) => {
    const { pathname } = new URL(request.url);
    const podId = /^\/pods\/([^/]+)\/stream$/.exec(pathname)?.[1];
    if (podId !== undefined) return stream(request, { params: Promise.resolve({ podId }) });
    if (pathname === "/admin") return request.method === "POST" ? admin.POST(request) : admin.GET(request);
    if (pathname === "/") return file(HTML, "text/html");
    if (pathname === "/page.js") return file(script, "text/javascript");
    return pathname === "/styles.css" ? file(styles, "text/css") : undefined;
  };
  const server = new WebServer(handler);
  await server.start();
  return server;
}

async function bundled(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${ROOT}tests/react/support/page.tsx`],
    bundle: true,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
    alias: { "@xterm/xterm": `${ROOT}tests/react/support/xterm.js` },
    write: false,
  });
  return outputFiles[0]!.text;
}

async function file(text: string, type: string): Promise<Response> {
  return new Response(text, { headers: { "Content-Type": `${type}; charset=utf-8` } });
}
