// Event streams.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startServer } from "./server.js";

const TEXT = "line 1\nline 2\nline 3\n äöü 🙂\n\nthe end";

let server;
let replicate;

before(async () => {
  server = await startServer();
  replicate = server.client();
});
after(() => server?.stop());

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

test("streams a model", async () => {
  const events = await collect(replicate.stream("acme/poet", { input: {} }));
  assert.equal(events.join(""), TEXT);
  assert.deepEqual(
    events.map(({ event }) => event),
    ["logs", "output", "output", "output", "output", "output", "done"],
  );
  assert.equal(events.at(-1).data, "{}");
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length, "every event has an id of its own");
});

test("streams a version", async () => {
  const model = await replicate.models.get("acme", "poet");
  const events = await collect(replicate.stream(`acme/poet:${model.latest_version.id}`, { input: {} }));
  assert.equal(events.join(""), TEXT);
});

test("streams a built-in model", async () => {
  const events = await collect(replicate.stream("replicate/canary", { input: { text: "Alice" } }));
  assert.equal(events.join(""), "hello there, Alice");
});

test("a model without a stream says so", async () => {
  const stream = collect(replicate.stream("acme/greeter", { input: { name: "Alice" } }));
  await assert.rejects(stream, { message: "Prediction does not support streaming" });
});
