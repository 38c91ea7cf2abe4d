import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";

/** Handles a request, or leaves it to others. */
export type Handler = (request: Request) => Promise<Response> | undefined;

/** An HTTP server over handlers of the web's own types, as Next.js runs them. Its connections can be cut. */
export class WebServer {
  readonly #handler: Handler;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts it, at the same port as before where it was started before. */
  async start(): Promise<void> {
    const server = createServer((incoming, outgoing) => void this.#respond(incoming, outgoing));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Closes every connection, in the middle of whatever is sent. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.cut();
    await closed;
  }

  async #respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const gone = new AbortController();
    outgoing.on("close", () => gone.abort());
    try {
      const response = await this.#handler(await requestOf(incoming, this.url, gone.signal));
      outgoing.writeHead(response?.status ?? 404, Object.fromEntries(response?.headers ?? []));
      if (!response?.body) return void outgoing.end();
      outgoing.flushHeaders();
      await pipeline(Readable.fromWeb(response.body as ReadableStream), outgoing);
    } catch {
      outgoing.destroy();
    }
  }
}

async function requestOf(incoming: IncomingMessage, origin: string, signal: AbortSignal): Promise<Request> {
  const { method = "GET", url = "/" } = incoming;
  const headers = Object.entries(incoming.headers).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : []));
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = method === "GET" ? null : Buffer.concat(chunks);
  return new Request(new URL(url, origin), { method, headers: headers as [string, string][], body, signal });
}
