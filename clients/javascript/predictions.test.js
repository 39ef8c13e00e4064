// Creating, reading, listing, canceling predictions, deadlines, and the models that they are made with.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startServer, waitUntil } from "./server.js";

const PAGE = 100;
const MINIMUM_DEADLINE = "5s";

let server;
let replicate;

before(async () => {
  server = await startServer();
  replicate = server.client();
});
after(() => server?.stop());

test("creates and waits", async () => {
  const created = await replicate.predictions.create({ model: "acme/greeter", input: { name: "Alice" } });
  const prediction = await replicate.wait(created, { interval: 20 });
  assert.equal(prediction.status, "succeeded");
  assert.equal(prediction.output, "Hello, Alice!");
  assert.equal(prediction.error, null);
  assert.equal(prediction.logs, "greeting Alice\n");
  assert.ok(prediction.metrics.predict_time >= 0);
});

test("creates and blocks", async () => {
  const prediction = await replicate.predictions.create({ model: "acme/greeter", input: { name: "Al" }, wait: 5 });
  assert.equal(prediction.output, "Hello, Al!");
});

test("polls while outputs arrive", async () => {
  const { id } = await replicate.predictions.create({ model: "acme/counter", input: {} });
  const lengths = new Set();
  const last = await waitUntil(async () => {
    const prediction = await replicate.predictions.get(id);
    lengths.add(prediction.output?.length ?? 0);
    return prediction.status === "succeeded" && prediction;
  }, "the end of acme/counter");
  assert.deepEqual(last.output.at(-1), { half: 1.5, number: 3 });
  assert.ok(lengths.size > 2, "outputs are visible while the model runs");
});

test("cancels a running prediction", async () => {
  const { id } = await replicate.predictions.create({ model: "acme/stuck", input: {} });
  await waitUntil(async () => (await replicate.predictions.get(id)).logs, "the first log line");
  const canceled = await replicate.predictions.cancel(id);
  assert.equal(canceled.status, "canceled");
  assert.notEqual(canceled.completed_at, null);
  assert.equal((await replicate.predictions.get(id)).status, "canceled");
});

test("an abort signal cancels", async () => {
  const abort = new AbortController();
  let id;
  const stop = (prediction) => {
    id = prediction.id;
    if (prediction.status === "processing") abort.abort();
  };
  const options = { input: {}, wait: { mode: "poll", interval: 20 }, signal: abort.signal };
  assert.equal(await replicate.run("acme/stuck", options, stop), null);
  assert.equal((await replicate.predictions.get(id)).status, "canceled");
});

test("a deadline before the start reads as canceled", async () => {
  // The server aborts it; this client does not know the word, and would poll for ever.
  const { status, body } = await server.http("/models/acme/cold/predictions", {
    method: "POST",
    headers: { "cancel-after": MINIMUM_DEADLINE },
    json: { input: {} },
  });
  assert.equal(status, 201);
  assert.ok(body.deadline > body.created_at);
  const prediction = await replicate.wait(body, { interval: 50 });
  assert.equal(prediction.status, "canceled");
  assert.equal(prediction.started_at, null);
  assert.equal((await server.http(`/predictions/${body.id}`)).body.status, "aborted");
});

test("lists all pages, newest first", async () => {
  const creations = Array.from({ length: PAGE + 10 }, (_, value) =>
    replicate.predictions.create({ model: "acme/echo", input: { value } }),
  );
  const created = (await Promise.all(creations)).map(({ id }) => id);
  const pages = [];
  for await (const page of replicate.paginate(replicate.predictions.list)) pages.push(page);
  assert.ok(pages.length > 1);
  assert.equal(pages[0].length, PAGE);
  const listed = pages.flat();
  const ids = new Set(listed.map(({ id }) => id));
  assert.equal(ids.size, listed.length, "no prediction is on two pages");
  assert.ok(created.every((id) => ids.has(id)));
  // Ids order predictions by the millisecond.
  const times = listed.map((prediction) => prediction.created_at.slice(0, "2026-01-31T12:00:00.000".length));
  assert.deepEqual(times, [...times].sort().reverse());
});

test("gets models and versions", async () => {
  const model = await replicate.models.get("acme", "poet");
  assert.equal(`${model.owner}/${model.name}`, "acme/poet");
  const id = model.latest_version.id;
  const version = await replicate.models.versions.get("acme", "poet", id);
  assert.equal(version.openapi_schema.components.schemas.Output["x-cog-array-type"], "iterator");
  const versions = await replicate.models.versions.list("acme", "poet");
  assert.deepEqual(versions.results.map((listed) => listed.id), [id]);
  await assert.rejects(replicate.models.get("acme", "nothing"), /404/);
});

test("knows the account", async () => {
  assert.equal((await replicate.accounts.current()).username, "cogwire");
});

test("a wrong token is refused", async () => {
  const list = server.client({ auth: "r8_wrong" }).predictions.list();
  await assert.rejects(list, /401 .*You did not pass a valid authentication token/s);
});
