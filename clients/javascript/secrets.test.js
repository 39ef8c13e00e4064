// Several signing secrets at once, and compressed and thin bodies, judged by the validators that receivers use.

import assert from "node:assert/strict";
import { createPublicKey, verify, webcrypto } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { gunzipSync } from "node:zlib";

import { validateWebhook } from "replicate";
import { Webhook } from "standardwebhooks";

import { startReceiver } from "./receiver.js";
import { startServer, waitUntil } from "./server.js";

let server;
let receiver;
let count = 0;

before(async () => {
  receiver = await startReceiver();
});
after(() => Promise.all([server?.stop(), receiver?.stop()]));

beforeEach(async () => {
  await server?.stop();
  server = await startServer();
});

async function post(path, json, headers = {}) {
  const { status, body } = await server.http(path, { method: "POST", json, headers });
  assert.ok(status < 300, JSON.stringify(body));
  return body;
}

async function currentKey() {
  return (await server.http("/webhooks/default/secret")).body.key;
}

const rotate = (asked) => post("/webhooks/default/secret/rotate", asked);

// The webhook of a prediction that is created for it.
async function next(headers = {}) {
  const path = `/secrets/${++count}`;
  const input = { name: "ä 🙂 </script> \u2028" };
  const body = { input, webhook: receiver.url(path), webhook_events_filter: ["completed"] };
  await post("/models/acme/greeter/predictions", body, headers);
  const [delivery] = await receiver.waitForEnd(path);
  return delivery;
}

// What both validators say; they must agree.
async function accepts(key, { headers, body }) {
  const replicates = await validateWebhook({ headers, body: body.toString() }, key, webcrypto);
  let standard = true;
  try {
    new Webhook(key).verify(body, headers);
  } catch (error) {
    assert.match(error.message, /No matching signature/);
    standard = false;
  }
  assert.equal(replicates, standard);
  return standard;
}

test("any secret that still signs will do", async () => {
  const keys = [await currentKey()];
  for (const overlap of ["1h", "2h"]) {
    await rotate({ overlap });
    keys.push(await currentKey());
  }
  const verdicts = async () => {
    const delivery = await next();
    return (await Promise.all(keys.map((key) => accepts(key, delivery)))).join();
  };
  assert.equal(await verdicts(), "true,true,true");
  await post("/webhooks/default/secret/retire", {});
  // The sender remembers secrets for a second.
  await waitUntil(async () => (await verdicts()) === "false,false,true", "the end of the retired secrets");
});

test("a private key signs beside the secret, and its public key verifies", async () => {
  const { public_key: publicKey } = await rotate({ kind: "ed25519" });
  const { headers, body } = await next();
  assert.equal(await accepts(await currentKey(), { headers, body }), true);
  const entry = headers["webhook-signature"].split(" ").find((entry) => entry.startsWith("v1a,"));
  const signature = Buffer.from(entry.slice("v1a,".length), "base64");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const judge = (text) => verify(null, Buffer.from(text), ed25519(publicKey), signature);
  assert.deepEqual([judge(signed), judge(`${signed} `)], [true, false]);
});

test("compressed bodies are signed as they were before", async () => {
  const delivery = await next({ "cogwire-webhook-gzip": "true" });
  assert.equal(delivery.headers["content-encoding"], "gzip");
  assert.deepEqual(gunzipSync(delivery.sent), delivery.body);
  assert.equal(await accepts(await currentKey(), delivery), true);
});

test("thin bodies are signed, parsed or not", async () => {
  const delivery = await next({ "cogwire-webhook-body": "thin" });
  const key = await currentKey();
  assert.equal(delivery.headers["cogwire-body"], "thin");
  assert.equal(delivery.prediction.thin, true);
  assert.equal(await accepts(key, delivery), true);
  assert.equal(await validateWebhook({ headers: delivery.headers, body: delivery.prediction }, key, webcrypto), true);
});

// The key of `whpk_...`, as Node wants it.
function ed25519(publicKey) {
  const x = Buffer.from(publicKey.replace(/^whpk_/, ""), "base64").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}
