// `replicate.run`: inputs, outputs and files.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { REPOSITORY, startServer } from "./server.js";

const HELLO_WORLD = "replicate/hello-world:9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426";

let server;
let replicate;
let pixel;

before(async () => {
  server = await startServer();
  replicate = server.client();
  pixel = await readFile(join(REPOSITORY, "clients", "files", "pixel.png"));
});
after(() => server?.stop());

test("runs a model by name", async () => {
  assert.equal(await replicate.run("acme/greeter", { input: { name: "Alice" } }), "Hello, Alice!");
});

test("runs the example of Replicate's documentation", async () => {
  assert.equal(await replicate.run(HELLO_WORLD, { input: { text: "Alice" } }), "hello Alice");
});

for (const wait of [{ mode: "block" }, { mode: "block", timeout: 5 }, { mode: "poll", interval: 50 }]) {
  test(`runs with ${JSON.stringify(wait)}`, async () => {
    const input = { name: "Bob", punctuation: "." };
    assert.equal(await replicate.run("acme/greeter", { input, wait }), "Hello, Bob.");
  });
}

test("tells the progress", async () => {
  const statuses = [];
  const tell = (prediction) => statuses.push(prediction.status);
  const output = await replicate.run("acme/poet", { input: {}, wait: { mode: "poll", interval: 20 } }, tell);
  assert.equal(output.join(""), "line 1\nline 2\nline 3\n äöü 🙂\n\nthe end");
  assert.equal(statuses.at(-1), "succeeded");
  assert.ok(["starting", "processing"].includes(statuses[0]), statuses[0]);
});

test("gives back any JSON", async () => {
  const value = { text: 'ä\u2028"\\/', list: [1, 2.5, 1e21, null, true], nested: { b: {}, a: [] } };
  assert.deepEqual(await replicate.run("acme/echo", { input: { value } }), value);
});

test("throws the error of a failed model", async () => {
  const run = replicate.run("acme/broken", { input: { reason: "rain" } });
  await assert.rejects(run, { message: "Prediction failed: out of luck: rain" });
});

test("throws what is wrong with the input", async () => {
  const run = replicate.run("acme/greeter", { input: { punctuation: "?" } });
  await assert.rejects(run, (error) => {
    assert.equal(error.response.status, 422);
    assert.match(error.message, /Input validation failed/);
    assert.match(error.message, /name is required/);
    return true;
  });
});

test("reads an output file", async () => {
  const output = await replicate.run("acme/painter", { input: {} });
  assert.match(String(output.url()), /^data:image\/png;base64,/);
  const bytes = Buffer.from(await (await output.blob()).arrayBuffer());
  assert.deepEqual(bytes, pixel);
});

test("hands over a file as a data URL", async () => {
  // The server stores the file: the model and the prediction have a link, which needs no token.
  const image = `data:image/png;base64,${pixel.toString("base64")}`;
  const output = await replicate.run("acme/viewer", { input: { image } });
  const link = await fetch(output.image);
  assert.equal(link.status, 200);
  assert.equal(link.headers.get("content-type"), "image/png");
  assert.deepEqual(Buffer.from(await link.arrayBuffer()), pixel);
});

test("an unknown version is named as Replicate names it", async () => {
  const run = replicate.run(`acme/greeter:${"0".repeat(64)}`, { input: {} });
  await assert.rejects(run, /422 .*Invalid version or not permitted/s);
});

test("uploads a Buffer and names the upload in the input", async () => {
  const output = await replicate.run("acme/viewer", { input: { image: pixel } });
  const file = await uploadOf(output.image);
  assert.equal(file.size, pixel.length);
  assert.equal(file.checksums.sha256, createHash("sha256").update(pixel).digest("hex"));
});

test("uploads a Blob with its type", async () => {
  const blob = new File([pixel], "pixel ä.png", { type: "image/png" });
  const output = await replicate.run("acme/viewer", { input: { image: blob } });
  const file = await uploadOf(output.image);
  assert.equal(file.name, "pixel ä.png");
  assert.equal(file.content_type, "image/png");
});

test("creates, lists, gets and deletes files", async () => {
  const file = await replicate.files.create(pixel, { order: 7 });
  assert.deepEqual(file.metadata, { order: 7 });
  assert.deepEqual(await replicate.files.get(file.id), file);
  const listed = await replicate.files.list();
  assert.equal(listed.results[0].id, file.id);
  const bytes = await (await fetch(file.urls.download)).arrayBuffer();
  assert.deepEqual(Buffer.from(bytes), pixel);
  assert.equal(await replicate.files.delete(file.id), true);
  await assert.rejects(replicate.files.get(file.id), /404 .*File not found/s);
});

test("learns that a file is too large", async () => {
  const large = Buffer.alloc(102 * 1024 * 1024);
  const run = replicate.run("acme/viewer", { input: { image: large } });
  await assert.rejects(run, /413 .*Files must be less than 100MB in size/s);
});

// What the server knows about the upload that a prediction's input names.
async function uploadOf(url) {
  assert.ok(url.startsWith(`${server.url}/v1/files/`), url);
  return replicate.files.get(url.split("/").at(-1));
}
