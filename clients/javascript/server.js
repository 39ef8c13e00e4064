// A Cogwire server of the tests: built, started on a free port, and stopped as an operator would.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";

import Replicate from "replicate";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const SCRIPTS = join(REPOSITORY, "clients", "scripts.toml");
const EXAMPLES = ["hello", "picture", "storyteller", "tunable", "wordcount"];
const EXAMPLE_DATA = join(REPOSITORY, "target", "clients", "javascript");
const WHEELS = join(REPOSITORY, "target", "tools", "cog-0.23.1", "wheels");
const START_MILLISECONDS = 30_000;
// The first start makes the environment.
const EXAMPLES_START_MILLISECONDS = 300_000;
const STOP_MILLISECONDS = 30_000;

// Starts a server with scripted models. Its `stop` sends SIGTERM, and fails unless the server exits with 0.
export async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "cogwire-clients-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  return start(["--data-dir", folder, "--scripts", SCRIPTS], {}, START_MILLISECONDS, remove);
}

// Starts a server with the models in the folder `examples`, which are installed and run as anybody's are. What they need
// comes from the packages that scripts/install-tools keeps, without a network. Environments stay from one run to the next;
// all else that a run leaves is gone when the next one begins.
export async function startExamples() {
  assert.ok(existsSync(WHEELS), `${WHEELS} is missing: run scripts/install-tools clients`);
  await mkdir(EXAMPLE_DATA, { recursive: true });
  const old = (await readdir(EXAMPLE_DATA)).filter((name) => name !== "environments");
  await Promise.all(old.map((name) => rm(join(EXAMPLE_DATA, name), { recursive: true })));
  const models = EXAMPLES.flatMap((name) => ["--model", `acme/${name}=${join(REPOSITORY, "examples", name)}`]);
  const variables = { PIP_NO_INDEX: "1", PIP_FIND_LINKS: WHEELS, UV_NO_INDEX: "1", UV_FIND_LINKS: WHEELS };
  return start(["--data-dir", EXAMPLE_DATA, ...models], variables, EXAMPLES_START_MILLISECONDS);
}

async function start(options, variables, milliseconds, clean = () => {}) {
  const token = `r8_${randomBytes(19).toString("hex").slice(0, 37)}`;
  const child = spawn(binary(), ["serve", "--listen", "127.0.0.1:0", ...options], {
    env: { ...environment(token), ...variables },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  const log = [];
  const url = await boundUrl(child, log, exited, milliseconds);

  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MILLISECONDS);
    const [status, signal] = await exited;
    clearTimeout(timer);
    await clean();
    assert.equal(status, 0, `the server ended with ${status ?? signal}:\n${log.join("")}`);
  };
  return { url, token, stop, client: (options) => clientOf(url, token, options), http: httpOf(url, token) };
}

// The first true value of `condition`.
export async function waitUntil(condition, what, milliseconds = 15_000) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < deadline, `${what} did not come true within ${milliseconds} ms`);
    await delay(20);
  }
}

// The official client, which knows nothing of Cogwire but its URL.
function clientOf(url, token, options = {}) {
  return new Replicate({ auth: token, baseUrl: `${url}/v1`, ...options });
}

// Plain HTTP, for what the official client has no words for.
function httpOf(url, token) {
  return async (path, { method = "GET", headers = {}, json } = {}) => {
    const response = await fetch(`${url}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
      body: json === undefined ? undefined : JSON.stringify(json),
    });
    return { status: response.status, body: await response.json() };
  };
}

// The server to test: COGWIRE_BINARY, or else a fresh debug build.
function binary() {
  if (process.env.COGWIRE_BINARY) return process.env.COGWIRE_BINARY;
  execFileSync("cargo", ["build", "--quiet", "--package", "cogwire"], { cwd: REPOSITORY, stdio: "inherit" });
  return join(REPOSITORY, "target", "debug", "cogwire");
}

// The environment without settings of the person who runs the tests.
function environment(token) {
  const foreign = ([name]) => name.startsWith("COGWIRE_") || name.startsWith("REPLICATE_");
  const kept = Object.entries(process.env).filter((entry) => !foreign(entry));
  return { ...Object.fromEntries(kept), COGWIRE_API_TOKEN: token };
}

function boundUrl(child, log, exited, milliseconds) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`the server did not say where it listens:\n${log.join("")}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail();
    }, milliseconds);
    exited.then(fail, reject);
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      log.push(text);
      const match = /https?:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(log.join(""));
      if (!match) return;
      clearTimeout(timer);
      resolve(match[0]);
    });
  });
}
