// Signed webhooks, judged by the validators that receivers use.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { after, before, test } from "node:test";

import { validateWebhook } from "replicate";
import { Webhook } from "standardwebhooks";

import { startReceiver } from "./receiver.js";
import { startServer } from "./server.js";

let server;
let receiver;
let replicate;
let secret;

before(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
  replicate = server.client();
  secret = (await replicate.webhooks.default.secret.get()).key;
});
after(() => Promise.all([server?.stop(), receiver?.stop()]));

// Runs a model, and gives what the receiver got.
async function deliveriesOf(path, model, input, options = {}) {
  await replicate.predictions.create({ model, input, webhook: receiver.url(path), ...options });
  return receiver.waitForEnd(path);
}

function validate({ headers, body }, changedBody = body.toString()) {
  return validateWebhook({ headers, body: changedBody }, secret, webcrypto);
}

const TRICKY = {
  text: 'ä 🙂 </script> \u2028 \u0007 "\\/',
  numbers: [0.5, 1.0, 1e-7, 0.000001, 1e21, 123456789012345680000, -0, 5e-324, 9007199254740991],
  10: "ten",
  9: "nine",
  "é": 1,
  "": null,
};

test("the validators accept what is sent", async () => {
  const deliveries = await deliveriesOf("/signed", "acme/echo", { value: TRICKY });
  for (const delivery of deliveries) {
    assert.equal(await validate(delivery), true);
    const verified = new Webhook(secret).verify(delivery.body, delivery.headers);
    assert.equal(verified.id, delivery.prediction.id);
  }
});

test("the validator accepts the parsed body", async () => {
  const deliveries = await deliveriesOf("/parsed", "acme/echo", { value: TRICKY });
  for (const delivery of deliveries) {
    assert.equal(await validate(delivery, JSON.parse(delivery.body)), true);
    assert.equal(JSON.stringify(JSON.parse(delivery.body)), delivery.body.toString());
  }
  assert.deepEqual(deliveries.at(-1).prediction.output, JSON.parse(JSON.stringify(TRICKY)));
});

test("the validator accepts a web request", async () => {
  const [{ headers, body }] = await deliveriesOf("/request", "acme/greeter", { name: "Alice" });
  const request = new Request(receiver.url("/request"), { method: "POST", headers: withoutLength(headers), body });
  assert.equal(await validateWebhook(request, secret, webcrypto), true);
});

test("the validators refuse what was changed", async () => {
  const [delivery] = await deliveriesOf("/tampered", "acme/greeter", { name: "Alice" });
  const tampered = delivery.body.toString().replace("Alice", "Mallory");
  assert.notEqual(tampered, delivery.body.toString());
  assert.equal(await validate(delivery, tampered), false);
  assert.throws(() => new Webhook(secret).verify(tampered, delivery.headers), /No matching signature/);
  const other = { ...delivery.headers, "webhook-id": "msg_other" };
  assert.throws(() => new Webhook(secret).verify(delivery.body, other), /No matching signature/);
});

test("the body is the prediction", async () => {
  const deliveries = await deliveriesOf("/body", "acme/greeter", { name: "Alice" });
  const last = deliveries.at(-1).prediction;
  assert.deepEqual(last, (await server.http(`/predictions/${last.id}`)).body);
  assert.equal(last.webhook, receiver.url("/body"));
});

test("all events come in order", async () => {
  const filter = { webhook_events_filter: ["start", "output", "logs", "completed"] };
  const deliveries = await deliveriesOf("/order", "acme/counter", {}, filter);
  const events = deliveries.map(({ headers }) => headers["cogwire-event"]);
  assert.equal(events[0], "start");
  assert.equal(events.at(-1), "completed");
  assert.ok(events.length > 3, events.join(" "));
  assert.equal(deliveries[0].prediction.status, "processing");
  assert.notEqual(deliveries[0].prediction.started_at, null);
  const ids = new Set(deliveries.map(({ headers }) => headers["webhook-id"]));
  assert.equal(ids.size, deliveries.length);
  for (const delivery of deliveries) assert.equal(await validate(delivery, delivery.prediction), true);
});

test("a failed delivery is repeated with the same id and body", async () => {
  receiver.answers.push(500, 302);
  const webhook = receiver.url("/repeated");
  const input = { name: "Alice" };
  await replicate.predictions.create({ model: "acme/greeter", input, webhook, webhook_events_filter: ["completed"] });
  const deliveries = await receiver.waitFor("/repeated", 3);
  assert.equal(new Set(deliveries.map(({ headers }) => headers["webhook-id"])).size, 1);
  assert.equal(new Set(deliveries.map(({ body }) => body.toString())).size, 1);
  for (const delivery of deliveries) assert.equal(await validate(delivery), true);
});

test("every end is sent", async () => {
  const [failed] = await deliveriesOf("/failed", "acme/broken", {});
  assert.equal(failed.prediction.status, "failed");
  assert.equal(failed.prediction.error, "out of luck: none");
  const webhook = receiver.url("/canceled");
  const { id } = await replicate.predictions.create({ model: "acme/stuck", input: {}, webhook });
  await replicate.predictions.cancel(id);
  const canceled = (await receiver.waitForEnd("/canceled")).at(-1);
  assert.equal(canceled.prediction.status, "canceled");
});

function withoutLength(headers) {
  const { "content-length": _length, host: _host, connection: _connection, ...rest } = headers;
  return rest;
}
