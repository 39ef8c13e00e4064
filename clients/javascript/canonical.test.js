// Node's JSON.stringify judges the canonical form: what `cogwire-core` prints must be what JavaScript prints after it has
// parsed that, byte for byte, and must mean what the original means. Integers beyond 2^53 are left out: they keep their
// digits on purpose.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { REPOSITORY } from "./server.js";

const SEED = 0x5eed;
const RANDOM_TEXTS = 20_000;

function canonical(texts) {
  const command = ["run", "--quiet", "--package", "cogwire-core", "--example", "canonical"];
  const options = { cwd: REPOSITORY, input: `${texts.join("\n")}\n`, maxBuffer: 1 << 28, encoding: "utf8" };
  const lines = execFileSync("cargo", command, options).split("\n");
  assert.equal(lines.pop(), "");
  assert.equal(lines.length, texts.length);
  return lines;
}

function judge(texts) {
  canonical(texts).forEach((line, index) => {
    const text = texts[index];
    assert.equal(line, JSON.stringify(JSON.parse(line)), `the form of ${text}`);
    assert.deepEqual(JSON.parse(line), printedAndParsed(text), `the meaning of ${text}`);
  });
}

// What JavaScript makes of a value: it prints -0 as 0, and infinity as null.
function printedAndParsed(text) {
  return JSON.parse(JSON.stringify(JSON.parse(text)));
}

const NUMBERS = [
  "0", "-0", "0.0", "-0.0", "0e0", "1.0", "1.50", "100", "1e2", "1E+2", "1e-2", "0.1", "0.2", "0.30000000000000004",
  "1e-6", "1e-7", "0.000001", "0.0000001", "123e-8", "1e20", "1e21", "1e22", "123456789012345680000.0", "1.5e300",
  "1e400", "-1e400", "5e-324", "4.9e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "9007199254740991",
  "-9007199254740991", "9007199254740992", "4503599627370497.5", "0.1e1", "10e-1", "33333333.33333333", "1e-400",
  "2.5e-7", "12345.678e10", "0.1234567890123456789", "99999999999999999e-5",
];

const STRINGS = [
  '""', '"a"', '"\\u0041"', '"\\u00e9"', '"é"', '"\\/"', '"/"', '"\\b\\f\\n\\r\\t"', '"\\u0008\\u000c\\u000a\\u000d\\u0009"',
  '"\\u0000\\u0001\\u001f"', '"\\u007f"', '"\\u2028\\u2029"', '"\u2028\u2029"', '"\\ud83d\\ude42"', '"🙂"', '"</script>"',
  '"\\"\\\\"', '"\\u003c\\u003e\\u0026"', '"\\uFEFF"', '"\\uffff"', '"\\ud800"', '"\\udc00x"', '"\\ud800\\ud800\\udc00"',
];

const OBJECTS = [
  "{}", '{"b":1,"a":2}', '{"10":1,"9":2,"a":3}', '{"a":0,"1":1,"01":2,"-1":3,"1.0":4,"1e1":5}', '{"a":1,"a":2}',
  '{"4294967294":1,"4294967295":2,"4294967296":3,"0":4}', '{"b":1,"a":2,"b":3}', '{"__proto__x":1,"constructor":2}',
  '{"é":1,"e":2,"\\u00e9a":3,"z":4}', '{"🙂":1,"\\uffff":2,"":3}', '{ "a" : [ 1 , { "c" : 1.0 , "b" : [ ] } ] }',
  '{"\\u0031":1,"0":2}', '[[[]]]', "[1.0,-0.0,{}]", "null", "true", "false",
];

test("numbers", () => judge(NUMBERS));
test("strings", () => judge(STRINGS));
test("objects", () => judge(OBJECTS));
test("strings and numbers in objects", () => {
  const texts = STRINGS.flatMap((key) => NUMBERS.map((number) => `{"z":[${key}],${key}:${number}}`));
  judge(texts);
});

test("canonical text stays as it is", () => {
  const once = canonical([...NUMBERS, ...STRINGS, ...OBJECTS]);
  assert.deepEqual(canonical(once), once);
});

test(`${RANDOM_TEXTS} random texts`, () => {
  const random = generator(SEED);
  judge(Array.from({ length: RANDOM_TEXTS }, () => value(random, 4)));
});

// A small generator with a seed (mulberry32), so that a failure can be repeated.
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function value(random, depth) {
  const kinds = depth > 0 ? 5 : 3;
  switch (Math.floor(random() * kinds)) {
    case 0:
      return pick(random, ["null", "true", "false"]);
    case 1:
      return number(random);
    case 2:
      return string(random);
    case 3:
      return `[${repeat(random, () => value(random, depth - 1)).join(", ")}]`;
    default:
      return `{${repeat(random, () => `${key(random)} :${value(random, depth - 1)}`).join(",")}}`;
  }
}

// Any bit pattern of a double, or any decimal spelling. Whole numbers beyond 2^53 always have a point or an exponent.
function number(random) {
  if (random() < 0.3) return pick(random, NUMBERS);
  if (random() < 0.5) {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setUint32(0, random() * 2 ** 32);
    bits.setUint32(4, random() * 2 ** 32);
    const double = bits.getFloat64(0);
    return Number.isFinite(double) ? double.toExponential() : "0";
  }
  const sign = random() < 0.5 ? "-" : "";
  const exponent = Math.floor(random() * 60) - 30;
  return `${sign}${Math.floor(random() * 1e6)}.${Math.floor(random() * 1e9)}e${exponent}`;
}

function string(random) {
  if (random() < 0.3) return pick(random, STRINGS);
  const units = repeat(random, () => Math.floor(random() * (random() < 0.7 ? 0x80 : 0x1_0000)));
  const escaped = units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`);
  return `"${escaped.join("")}"`;
}

function key(random) {
  return random() < 0.3 ? `"${Math.floor(random() * (random() < 0.5 ? 20 : 2 ** 33))}"` : string(random);
}

function repeat(random, make) {
  return Array.from({ length: Math.floor(random() * 5) }, make);
}

function pick(random, list) {
  return list[Math.floor(random() * list.length)];
}
