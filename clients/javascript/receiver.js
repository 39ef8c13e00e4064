// A receiver of webhooks that keeps the requests as they came: headers, and the body byte for byte. `body` is inflated, as
// frameworks give it to a handler; `sent` is as it came.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

import { waitUntil } from "./server.js";

export async function startReceiver() {
  const deliveries = [];
  const answers = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const sent = Buffer.concat(chunks);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
    deliveries.push({ path: request.url, headers: request.headers, sent, body, prediction: JSON.parse(body) });
    response.writeHead(answers.shift() ?? 200).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const at = (path) => deliveries.filter((delivery) => delivery.path === path);
  return {
    // The statuses of the next answers; 200 when there are none.
    answers,
    url: (path) => `http://127.0.0.1:${server.address().port}${path}`,
    // The deliveries to a path, as soon as there are so many.
    waitFor: async (path, count) => {
      await waitUntil(() => at(path).length >= count, `${count} webhooks to ${path}`);
      assert.equal(at(path).length, count);
      return at(path);
    },
    // The deliveries to a path up to one about a prediction that has ended.
    waitForEnd: async (path) => {
      await waitUntil(() => at(path).some(({ prediction }) => prediction.completed_at), `the last webhook to ${path}`);
      return at(path);
    },
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
