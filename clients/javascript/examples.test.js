// Real models: those in the folder `examples`, run by Cog in processes of their own.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { createHash, webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inflateSync } from "node:zlib";

import { validateWebhook } from "replicate";

import { startReceiver } from "./receiver.js";
import { REPOSITORY, startExamples, waitUntil } from "./server.js";

const STORY = { hero: "Zoë", sentences: 3, seed: 7 };
// It would take more than a minute to tell.
const ENDLESS_STORY = { sentences: 100, pause: 0.1 };
const ANIMALS = "cat,it says meow and purrs\ndog,it barks and wags its tail\n";
const PNG = Buffer.from("89504e470d0a1a0a", "hex");

let server;
let receiver;
let replicate;
let secret;
let stories;

before(async () => {
  [server, receiver] = await Promise.all([startExamples(), startReceiver()]);
  replicate = server.client();
  secret = (await replicate.webhooks.default.secret.get()).key;
  stories = await readFile(join(REPOSITORY, "examples", "storyteller", "stories.txt"));
});
after(() => Promise.all([server?.stop(), receiver?.stop()]));

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function assertSigned({ headers, body }) {
  assert.equal(await validateWebhook({ headers, body: body.toString() }, secret, webcrypto), true);
}

for (const wait of [{ mode: "block" }, { mode: "poll", interval: 20 }]) {
  test(`runs a model with ${JSON.stringify(wait)}`, async () => {
    const input = { name: "Zoë", language: "German" };
    assert.equal(await replicate.run("acme/hello", { input, wait }), "Guten Tag, Zoë!");
  });
}

test("runs a version", async () => {
  const { latest_version: version } = await replicate.models.get("acme", "hello");
  assert.equal(version.cog_version, "0.23.1");
  assert.equal(await replicate.run(`acme/hello:${version.id}`, { input: { name: "Alice" } }), "Hello, Alice!");
});

test("an answer comes with the request that asks to wait", async () => {
  const prediction = await replicate.predictions.create({ model: "acme/hello", input: { name: "Alice" }, wait: 10 });
  assert.equal(prediction.status, "succeeded");
  assert.equal(prediction.output, "Hello, Alice!");
  assert.equal(prediction.logs, "greeting Alice in English\n");
});

test("a wait ends in time", async () => {
  const input = ENDLESS_STORY;
  const prediction = await replicate.predictions.create({ model: "acme/storyteller", input, wait: 1 });
  assert.equal(prediction.status, "starting", "the clients take every other word for the end");
  await replicate.predictions.cancel(prediction.id);
});

test("words are streamed while the model says them", async () => {
  const input = { ...STORY, pause: 0.05 };
  const words = [];
  for await (const { event, data } of replicate.stream("acme/storyteller", { input })) {
    if (event !== "output") continue;
    words.push(data);
    if (words.length > 1) continue;
    const { results: [newest] } = await replicate.predictions.list();
    assert.equal(newest.status, "processing");
    assert.equal(newest.completed_at, null);
  }
  assert.ok(words.length > 10);
  const output = await replicate.run("acme/storyteller", { input: { ...STORY, pause: 0 } });
  assert.deepEqual(words, output);
});

test("a stream of a version has the logs and an end", async () => {
  const { latest_version: version } = await replicate.models.get("acme", "storyteller");
  const input = { ...STORY, pause: 0 };
  const events = await collect(replicate.stream(`acme/storyteller:${version.id}`, { input }));
  const logs = events.filter(({ event }) => event === "logs").map(({ data }) => data);
  assert.equal(logs.join(""), "sentence 1 of 3\nsentence 2 of 3\nsentence 3 of 3\n");
  assert.equal(events.at(-1).event, "done");
  assert.match(events.join(""), /Zoë/);
});

test("reads a file that is uploaded", async () => {
  assert.deepEqual(await replicate.run("acme/wordcount", { input: { document: stories } }), countsOfStories());
});

test("reads a file in a data URL", async () => {
  const document = `data:text/plain;base64,${stories.toString("base64")}`;
  assert.deepEqual(await replicate.run("acme/wordcount", { input: { document } }), countsOfStories());
});

test("an upload serves several predictions until it is deleted", async () => {
  const file = await replicate.files.create(new File([stories], "stories.txt", { type: "text/plain" }));
  assert.equal((await replicate.files.list()).results[0].id, file.id);
  const input = { document: (await replicate.files.get(file.id)).urls.get };
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(await replicate.run("acme/wordcount", { input }), countsOfStories());
  }
  assert.equal(await replicate.files.delete(file.id), true);
  await assert.rejects(replicate.run("acme/wordcount", { input }), /422 .*document/s);
});

test("reads pictures", async () => {
  const pictures = await replicate.run("acme/picture", { input: { word: "Zoë", count: 3, size: 40 } });
  const contents = await Promise.all(pictures.map(bytesOf));
  assert.equal(new Set(contents.map((content) => content.toString("base64"))).size, 3);
  for (const content of contents) assert.equal(pixelsOf(content).length, 40 * (1 + 3 * 40));
  const [again] = await replicate.run("acme/picture", { input: { word: "Zoë", size: 40 } });
  assert.deepEqual(await bytesOf(again), contents[0]);
});

test("a failure has the model's words and its traceback", async () => {
  const error = "The document is not text: byte 1 is not UTF-8";
  let last;
  const run = replicate.run("acme/wordcount", { input: { document: PNG } }, (prediction) => {
    last = prediction;
  });
  await assert.rejects(run, { message: `Prediction failed: ${error}` });
  assert.equal(last.error, error);
  assert.match(last.logs, /^Traceback \(most recent call last\):\n/);
  assert.ok(last.logs.endsWith(`\nValueError: ${error}\n`), last.logs);
});

test("cancels a story and keeps what was told", async () => {
  const webhook = receiver.url("/canceled");
  const { id } = await replicate.predictions.create({ model: "acme/storyteller", input: ENDLESS_STORY, webhook });
  await waitUntil(async () => (await replicate.predictions.get(id)).output?.length, "the first word");
  const canceled = await replicate.predictions.cancel(id);
  assert.equal(canceled.status, "canceled");
  const last = (await receiver.waitForEnd("/canceled")).at(-1).prediction;
  assert.equal(last.status, "canceled");
  assert.ok(last.output.length > 0);
  assert.deepEqual(last.output, (await replicate.predictions.get(id)).output);
});

test("webhooks come in order and signed", async () => {
  const { id } = await replicate.predictions.create({
    model: "acme/storyteller",
    input: { ...STORY, pause: 0.05 },
    webhook: receiver.url("/story"),
    webhook_events_filter: ["start", "output", "logs", "completed"],
  });
  const deliveries = await receiver.waitForEnd("/story");
  for (const delivery of deliveries) await assertSigned(delivery);
  const events = deliveries.map(({ headers }) => headers["cogwire-event"]);
  assert.equal(events[0], "start");
  assert.equal(events.at(-1), "completed");
  assert.ok(events.length > 3, events.join(" "));
  const lengths = deliveries.map(({ prediction }) => prediction.output?.length ?? 0);
  assert.deepEqual(lengths, [...lengths].sort((a, b) => a - b));
  const last = deliveries.at(-1).prediction;
  assert.equal(last.status, "succeeded");
  assert.deepEqual(last.output, (await replicate.predictions.get(id)).output);
});

test("a training makes a version that answers otherwise", async () => {
  await replicate.models.create("acme", "animals", { visibility: "private", hardware: "cpu" });
  const { latest_version: base } = await replicate.models.get("acme", "tunable");
  const upload = await replicate.files.create(new File([ANIMALS], "animals.csv", { type: "text/csv" }));
  const created = await replicate.trainings.create("acme", "tunable", base.id, {
    destination: "acme/animals",
    input: { examples: upload.urls.get },
    webhook: receiver.url("/training"),
    webhook_events_filter: ["start", "completed"],
  });
  assert.equal(created.status, "starting");

  const [start, end] = await receiver.waitFor("/training", 2);
  await Promise.all([start, end].map(assertSigned));
  assert.equal(start.prediction.status, "processing");
  assert.equal(end.prediction.status, "succeeded", end.prediction.error);

  const training = await replicate.trainings.get(created.id);
  assert.deepEqual(training.output, end.prediction.output);
  assert.equal(training.logs, "learned cat from 5 words\nlearned dog from 6 words\n");
  const { results } = await replicate.trainings.list();
  assert.ok(results.some(({ id }) => id === created.id));

  const input = { text: "who barks" };
  assert.equal(await replicate.run(training.output.version, { input }), "dog");
  assert.equal(await replicate.run("acme/animals", { input }), "dog");
  assert.notEqual(await replicate.run("acme/tunable", { input }), "dog");
});

function countsOfStories() {
  const text = stories.toString();
  return {
    bytes: stories.length,
    lines: text.split("\n").length - 1,
    most_frequent: "the",
    sha256: createHash("sha256").update(stories).digest("hex"),
    words: text.trim().split(/\s+/).length,
  };
}

async function bytesOf(file) {
  return Buffer.from(await (await file.blob()).arrayBuffer());
}

// The lines of a PNG file, each after the number of its filter.
function pixelsOf(png) {
  assert.deepEqual(png.subarray(0, 8), PNG);
  const start = png.indexOf("IDAT");
  return inflateSync(png.subarray(start + 4, start + 4 + png.readUInt32BE(start - 4)));
}
