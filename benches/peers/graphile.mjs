// Runs graphile-worker. Each line on stdin is a request in JSON, and gets a line of JSON on stdout. DATABASE_URL names
// a database of its own.
//
//   {"do": "listen"}                                starts a runner, which waits for tasks
//   {"do": "claim"}                                 commits a task, and returns the milliseconds until it starts
//   {"do": "rest"}                                  stops the runner
//   {"do": "drain", "backlog", "from", "to"}        returns the tasks a second between two starts, of a runner
//                                                   that finds a backlog
import { createInterface } from "node:readline";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

const connectionString = process.env.DATABASE_URL;
const concurrency = Number(process.env.CONCURRENCY);
// A connection for each task, and more to listen: the default of 10 would slow it down.
const maxPoolSize = concurrency + 2;
const logger = new Logger(() => () => {});
const utils = await makeWorkerUtils({ connectionString, logger });
await utils.migrate();
await utils.release();
const client = new pg.Client({ connectionString });
await client.connect();

let started = () => {};
let runner;

const listen = async () => {
  const taskList = { noop: () => started() };
  runner = await run({ connectionString, concurrency, maxPoolSize, logger, taskList, noHandleSignals: true });
};
const rest = async () => {
  await runner.stop();
};

const actions = {
  listen,
  rest,

  async claim() {
    const start = new Promise((resolve) => {
      started = () => resolve(performance.now());
    });
    await client.query("begin");
    await client.query("select graphile_worker.add_job('noop')");
    const committed = performance.now();
    await client.query("commit");
    return { ms: (await start) - committed };
  },

  async drain({ backlog, from, to }) {
    await client.query("truncate graphile_worker._private_jobs");
    const add = `select count(*) from graphile_worker.add_jobs(array(
      select row('noop', '{}', null, null, null, null, null, null)::graphile_worker.job_spec
      from generate_series(1, $1::int)))`;
    await client.query(add, [backlog]);
    let count = 0;
    let first;
    const done = new Promise((resolve) => {
      started = () => {
        count += 1;
        if (count === from) first = performance.now();
        if (count === to) resolve(performance.now());
      };
    });
    await listen();
    const last = await done;
    await rest();
    return { rate: ((to - from) * 1000) / (last - first) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...options } = JSON.parse(line);
  console.log(JSON.stringify((await actions[action](options)) ?? {}));
}
process.exit(0);
