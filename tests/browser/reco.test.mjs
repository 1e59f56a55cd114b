// reco.js by itself, in a browser that is made up: its clock, its chance and its server do what a test says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../../crates/reco-http/assets/reco.js", import.meta.url), "utf8");
const NOW = 1_700_000_000_000;

/** Chance that repeats (mulberry32). */
function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lets everything happen that waits for no timer. */
const settle = () => new Promise((resolve) => { setImmediate(resolve); });

/** A server that keeps events by id. `fates` says what becomes of the next requests; later ones are answered. */
function server(fates = []) {
  const kept = new Map();
  const requests = [];
  const take = (text) => {
    const { events, sent_at } = JSON.parse(text);
    requests.push({ events, sent_at });
    const rejected = events.flatMap(({ item_id }, index) => (item_id ? [] : [{ index, field: "item_id", problem: "is missing" }]));
    events.filter(({ item_id }) => item_id).forEach((event) => kept.set(event.id, event));
    return { rejected };
  };
  const answer = (status, body, headers = {}) => ({ ok: status < 300, status, headers: new Map(Object.entries(headers)), json: async () => body });
  const fetch = async (url, { body }) => {
    const fate = fates.shift() ?? "through";
    if (fate === "cut") throw new TypeError("Failed to fetch");
    if (fate.status) return answer(fate.status, fate.body, fate.headers);
    const said = take(await body.text());
    if (fate === "answer lost") throw new TypeError("Failed to fetch");
    return answer(202, said);
  };
  return { fetch, take, kept, requests };
}

/** A page with its own time. */
function open(seed, to, sessionStorage = {}) {
  let now = NOW;
  let last = 0;
  const random = chance(seed);
  const timers = new Map();
  const hear = new Map();
  const beacons = [];
  const thrown = [];
  const world = {
    Blob, AbortSignal, sessionStorage, fetch: to.fetch, console: { warn() {} }, document: { hidden: false },
    Date: { now: () => now },
    crypto: { getRandomValues: (array) => array.map(() => BigInt(Math.floor(random() * 2 ** 32)) << 32n | BigInt(Math.floor(random() * 2 ** 32))) },
    navigator: { sendBeacon: (_, blob) => beacons.push(blob) },
    addEventListener: (name, heard) => hear.set(name, heard),
    queueMicrotask: (run) => queueMicrotask(() => { try { run(); } catch (problem) { thrown.push(String(problem)); } }),
    setTimeout: (run, pause) => { timers.set(++last, { run, at: now + pause }); return last; },
    clearTimeout: (timer) => { timers.delete(timer); },
  };
  vm.createContext(world);
  vm.runInContext("Math.random = () => 0.5", world);
  vm.runInContext(SCRIPT, world);
  return {
    reco: world.reco, timers, thrown, storage: sessionStorage,
    /** Lets time pass. */
    async pass(millis) {
      for (const end = now + millis; ;) {
        await settle();
        const next = [...timers].filter(([, { at }]) => at <= end).toSorted(([, a], [, b]) => a.at - b.at)[0];
        if (!next) { now = end; return; }
        timers.delete(next[0]);
        now = next[1].at;
        next[1].run();
      }
    },
    async leave() {
      world.document.hidden = true;
      hear.get("visibilitychange")();
      hear.get("pagehide")();
      return Promise.all(beacons.splice(0).map((blob) => blob.text()));
    },
  };
}

const click = (item) => ({ user_id: "ann", item_id: `item${item}`, action: "click" });
const track = (page, count, from = 0) => { for (let item = from; item < from + count; item++) page.reco.track(click(item)); };
const items = ({ kept }) => [...kept.values()].map(({ item_id }) => item_id);
const named = (count) => Array.from({ length: count }, (_, item) => `item${item}`);
const sizes = ({ requests }) => requests.map(({ events }) => events.length);

test("ten events go at once, fewer after five seconds", async () => {
  const to = server();
  const page = open(1, to);
  track(page, 3);
  await page.pass(4_999);
  assert.deepEqual(sizes(to), []);
  await page.pass(1);
  assert.deepEqual(sizes(to), [3]);
  track(page, 25, 3);
  await page.pass(0);
  assert.deepEqual(sizes(to), [3, 10, 10, 5]);
  assert.deepEqual([items(to), page.reco.sent], [named(28), 28]);
  track(page, 1, 28);
  await page.pass(5_000);
  assert.equal(page.reco.sent, 29, "the timer begins anew");
});

test("an event has a UUID of version 7 and a time, and may bring its own", async () => {
  const to = server();
  const page = open(2, to);
  track(page, 200);
  page.reco.track({ ...click(0), id: "0".repeat(32), timestamp: 5 });
  await page.pass(5_000);
  const events = to.requests.flatMap((request) => request.events);
  assert.deepEqual([events[200].id, events[200].timestamp], ["0".repeat(32), 5]);
  for (const { id, timestamp } of events.slice(0, 200)) {
    assert.match(id, /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    assert.deepEqual([parseInt(id.slice(0, 12), 16), timestamp], [NOW, NOW]);
  }
  assert.equal(to.kept.size, 201);
  track(page, 1);
  await page.pass(5_000);
  assert.equal(to.requests.at(-1).sent_at, to.requests[0].sent_at + 10_000, "when it was sent, not when it happened");
});

test("what fails is sent again after growing pauses, and flush says so", async () => {
  const to = server([...Array(4).fill("cut"), { status: 503, body: {}, headers: { "retry-after": "30" } }, "answer lost"]);
  const page = open(3, to);
  track(page, 1);
  await assert.rejects(page.reco.flush(), /sent again/);
  const pauses = [];
  while (page.reco.sent === 0) {
    const [{ at }] = page.timers.values();
    const begun = pauses.reduce((sum, pause) => sum + pause, NOW);
    pauses.push(at - begun);
    await page.pass(at - begun);
  }
  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 38_000, 16_000]);
  assert.deepEqual([items(to), sizes(to)], [["item0"], [1, 1]], "the same event twice, once without an answer");
});

test("while the server is away, new events do not hurry it", async () => {
  const to = server(Array(3).fill("cut"));
  const page = open(4, to);
  track(page, 10);
  await page.pass(0);
  track(page, 40, 10);
  await page.pass(499);
  assert.equal(to.requests.length, 0);
  await page.pass(60_000);
  assert.deepEqual([items(to), page.reco.sent], [named(50), 50], "in their order");
});

test("what the server cannot use is reported, and not sent again", async () => {
  const to = server();
  const page = open(5, to);
  const heard = [];
  page.reco.onrefused = (event, problems) => { heard.push([event.action, problems[0].field]); throw new Error("not today"); };
  page.reco.track(click(0));
  page.reco.track({ user_id: "ann", action: "hide" });
  page.reco.track(click(1));
  await page.reco.flush();
  assert.deepEqual([heard, items(to), page.reco.sent, page.reco.refused], [[["hide", "item_id"]], named(2), 2, 1]);
  assert.deepEqual(page.thrown, ["Error: not today"], "what goes wrong there is seen and harms nobody");

  for (const [status, body] of [[404, undefined], [400, { error: { message: "no" } }]]) {
    const lost = open(6, server([{ status, body }]));
    lost.reco.track(click(0));
    await lost.reco.flush();
    assert.deepEqual([lost.reco.refused, lost.reco.sent], [1, 0], status);
  }
});

test("an answer that is not of reco settles nothing", async () => {
  const to = server([{ status: 200, body: undefined }, { status: 200, body: {} }]);
  const page = open(7, to);
  track(page, 2);
  await page.pass(60_000);
  assert.deepEqual([items(to), page.reco.sent], [named(2), 2]);
});

test("a thousand events wait at most, and the oldest leave", async () => {
  const to = server(Array(20).fill("cut"));
  const page = open(8, to);
  track(page, 1_200);
  await page.pass(3_600_000);
  assert.deepEqual([page.reco.dropped, page.reco.sent, to.kept.size], [200, 1_000, 1_000]);
  assert.equal(items(to).at(-1), "item1199");
});

test("what cannot be written fails where it is tracked", async () => {
  const to = server();
  const page = open(9, to);
  assert.throws(() => page.reco.track({ ...click(0), value: 1n }), /BigInt/);
  track(page, 1);
  await page.pass(5_000);
  assert.equal(page.reco.sent, 1);
});

test("who leaves sends what waits, once, and the next page of the tab makes sure", async () => {
  const to = server(["cut"]);
  const page = open(10, to);
  track(page, 13);
  await page.pass(0);
  const texts = await page.leave();
  assert.deepEqual(texts.map((text) => JSON.parse(text).events.length), [10, 3]);
  to.take(texts[1]); // Of the first nobody knows.
  const next = open(11, to, page.storage);
  track(next, 1, 13);
  await next.pass(5_000);
  assert.deepEqual([items(to).toSorted(), to.kept.size, next.reco.sent], [named(14).toSorted(), 14, 14]);
  assert.deepEqual([await next.leave(), next.storage.reco], [[], "[]"], "nothing is left");
  assert.deepEqual(await open(12, to, next.storage).leave(), []);
});

test("a browser without storage has beacons", async () => {
  const forbidden = new Proxy({}, { get() { throw new Error("denied"); }, set() { throw new Error("denied"); } });
  const page = open(13, server(), forbidden);
  track(page, 2);
  assert.equal((await page.leave()).length, 1);
});

test("loading it twice changes nothing", () => {
  const world = { sessionStorage: {}, console, addEventListener() {}, setTimeout() {}, clearTimeout() {} };
  vm.createContext(world);
  vm.runInContext(SCRIPT, world);
  const first = world.reco;
  vm.runInContext(SCRIPT, world);
  assert.equal(world.reco, first);
});

test("every event counts once, whatever happens", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = chance(seed);
    const fate = () => ["through", "cut", "answer lost", { status: 503, body: {} }, { status: 429 }, { status: 200 }][Math.floor(random() * 6)];
    const to = server(Array.from({ length: 30 }, fate));
    let page = open(seed, to);
    let tracked = 0;
    for (let step = 0; step < 12; step++) {
      const count = Math.floor(random() * 15);
      track(page, count, tracked);
      tracked += count;
      await page.pass(Math.floor(random() * 3_000));
      if (random() < 0.3) {
        await page.leave(); // These beacons are all lost.
        page = open(1_000 + 100 * seed + step, to, page.storage);
      }
    }
    await page.pass(3_600_000);
    assert.deepEqual(items(to).toSorted(), named(tracked).toSorted(), `seed ${seed}`);
  }
});
