import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import type { Client } from "@pinacle/client";
import { podStream } from "@pinacle/client/next";
import { createFakeClient } from "@pinacle/client/testing";

const REQUEST = new Request("http://app.test/api/pods/pod_1/stream");

async function fakePod(commands: number) {
  const { client, worker } = createFakeClient({ run: () => ({ stdout: "out\n" }) });
  const config = { install: Array.from({ length: commands }, (_, at) => `echo ${at}`) };
  await client.pods.create({ id: "pod_1", name: "P", slug: "p", config });
  await worker.run();
  return client;
}

test("a silent stream has a heartbeat, and ends after ten minutes", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const response = await podStream(REQUEST, "pod_1", { client: await fakePod(0), authorize: () => true });
  let heartbeats = 0;
  const reading = (async () => {
    for await (const frame of response.body!) heartbeats += Number(new TextDecoder().decode(frame as Uint8Array) === ": heartbeat\n\n");
  })();
  for (let seconds = 0; seconds < 600; seconds += 5) {
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    t.mock.timers.tick(5_000);
  }
  await reading;
  assert.ok(heartbeats >= 38 && heartbeats <= 40, String(heartbeats));
});

test("of a log that the browser does not read, nothing is read ahead", async () => {
  const client = await fakePod(50);
  let events = 0;
  const counting = {
    pods: client.pods,
    events: client.events.bind(client),
    async *logs(...args: Parameters<Client["logs"]>) {
      for await (const event of client.logs(...args)) {
        events += 1;
        yield event;
      }
    },
  } as unknown as Client;
  const response = await podStream(REQUEST, "pod_1", { client: counting, authorize: () => true });
  const reader = response.body!.getReader();
  for (let frame = 0; frame < 10; frame += 1) await reader.read();
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  assert.ok(events >= 8 && events <= 11, String(events));
  await reader.cancel();
});
