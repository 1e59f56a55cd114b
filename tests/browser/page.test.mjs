// The page at / in a real browser, against the real server over the demo data. BROWSER_TEST_URL says where that is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const url = process.env.BROWSER_TEST_URL;
const EXPECTED = [/status of 400/, /ERR_FAILED/]; // What the tests of errors provoke.
let browser;
let page;
const complaints = [];

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.some((known) => known.test(message.text()))) complaints.push(message.text());
  });
  await open("?user=230");
});

after(async () => browser?.close());

const rows = () => page.locator(".row");
const items = () => rows().evaluateAll((all) => all.map((row) => row.dataset.item));
const suggested = () => page.locator(".options:visible [role=option]");
const settled = () => page.locator("#page-side[aria-busy=false]").waitFor();
/** A user whom no run before had. */
const someone = (name) => `${name}-${Date.now().toString(36)}`;
const [clicker, leaver, patient] = ["clicker", "leaver", "patient"].map(someone);
const away = (route) => route.abort();
const press = (place, name) => rows().nth(place).getByRole("button", { name }).click();

async function open(query) {
  await page.goto(url + query);
  await rows().first().waitFor();
  await settled();
}

async function filter(text) {
  await page.locator("#filter").fill(text);
  await page.keyboard.press("Enter");
}

test("a user's history stands beside recommendations with reasons", async () => {
  assert.ok(await page.locator("#history li").count() > 5);
  assert.equal(await rows().count(), 12);
  for (const row of await rows().all()) assert.ok((await row.locator(".reasons").first().textContent()).length > 5);
  await page.locator(".row summary").first().click();
  assert.ok(await rows().first().locator("tbody tr").count() > 0);
});

test("the history has days that machines can read, and prices", async () => {
  const days = await page.locator("#history time").evaluateAll((all) => all.map((time) => time.dateTime));
  assert.deepEqual(days, days.toSorted().reverse());
  assert.match(days[0], /^\d{4}-\d{2}-\d{2}$/);
  assert.match(await page.locator("#history h3").first().textContent(), /\d{4}(today|yesterday|\d+ days ago)/);
  for (const price of await page.locator("#history .price").allTextContents()) assert.match(price, /^\d+\.\d{2}$/);
});

test("score bars are as long as the scores are high", async () => {
  const shown = await rows().evaluateAll((all) => all.map((row) => ({
    score: Number(row.querySelector(".figure").textContent),
    length: row.querySelector(".score .fill").getBoundingClientRect().width / row.querySelector(".score .track").getBoundingClientRect().width,
  })));
  assert.ok(Math.abs(shown[0].length - 1) < 0.01, "the best fills its track");
  for (const { score, length } of shown) assert.ok(Math.abs(length - score / shown[0].score) < 0.02, `${score}: ${length}`);
});

test("the page says how it came about", async () => {
  const facts = await page.locator("#facts").innerText();
  for (const fact of [/surface home/, /rung full/, /answered in [\d.]+ ms, [\d.]+ ms there and back/, /seed 0/, /snapshot v\d+/]) {
    assert.match(facts.replaceAll(/\s+/g, " "), fact);
  }
  await page.locator("#seed").fill("7");
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("#facts .seed dd", { hasText: /^7$/ }).waitFor();
  await open("?user=230");
});

test("hiding an item takes it off the list, says what changed and keeps the keyboard in its place", async () => {
  const third = (await items())[2];
  await rows().nth(2).getByRole("button", { name: /^Hide/ }).press("Enter");
  await page.locator("#status", { hasText: /^You hid .*: \d+ new/ }).waitFor();
  assert.ok(!(await items()).includes(third));
  const told = Number(/: (\d+) new/.exec(await page.locator("#status").textContent())[1]);
  assert.equal(await page.locator(".change.new").count(), told);
  assert.ok(await page.locator("#history .rejected").count() >= 1);
  const focus = await page.evaluate(() => [document.activeElement.dataset.action, [...document.querySelectorAll(".row")].indexOf(document.activeElement.closest(".row"))]);
  assert.deepEqual(focus, ["hide", 2]);
});

test("the first purchase gives a new user a personal list", async () => {
  await page.getByRole("button", { name: "New user" }).click();
  await page.locator("#history-note", { hasText: "new user" }).waitFor();
  const impersonal = await items();
  await press(3, /^Buy/);
  await page.locator("#status", { hasText: "You bought" }).waitFor();
  assert.notDeepEqual(await items(), impersonal);
  assert.match(await page.locator("#page").textContent(), /chosen together|Fits your taste|Similar to/);
});

test("somebody new tells what they like by keyboard, and the page follows", async () => {
  await open(`?user=${someone("asked")}`);
  const before = await items();
  await page.locator("#onboarding summary").press("Enter");
  const boxes = page.locator("#onboarding [type=checkbox]");
  await boxes.first().waitFor();
  await page.getByRole("button", { name: "Show what fits" }).press("Enter");
  await page.locator("#onboarding [role=alert]", { hasText: "categories" }).waitFor();
  for (const place of [5, 6, 7]) await boxes.nth(place).press("Space");
  await page.locator("#onboarding select").first().selectOption("5");
  await page.getByRole("button", { name: "Show what fits" }).press("Enter");
  await page.locator("#status", { hasText: "You told what you like" }).waitFor();
  assert.notDeepEqual(await items(), before);
  assert.ok(await page.locator("#onboarding").isHidden(), "who rated has a history");
  assert.equal(await page.evaluate(() => document.activeElement.id), "page-title");
});

test("every click is in what the server knows of late, and so in the next page", async () => {
  await open(`?user=${someone("knower")}`);
  const known = page.locator("#features");
  assert.equal(await known.textContent(), "", "nothing is known of somebody new");
  for (const [count, told] of [[1, "1 event on 1 item"], [2, "2 events on 2 items"]]) {
    await press(count, /^Click/);
    await known.locator("dd", { hasText: `${told}, begun just now` }).waitFor();
    await known.locator("dd", { hasText: `click ${count}` }).waitFor();
  }
  await settled();
});

/** Waits until the server has `count` items of a user. */
async function arrived(user, count) {
  const history = `${url}history?${new URLSearchParams({ user_id: user })}`;
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const { total } = await (await fetch(history)).json();
    if (total >= count) return assert.equal(total, count);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  assert.fail(`${user} has no ${count} items`);
}

test("what is clicked goes through reco.js, which names it and says when it was", async () => {
  await open(`?user=${clicker}`);
  const sent = page.waitForRequest("**/interactions");
  await press(0, /^Click/);
  await page.locator("#status", { hasText: "You clicked" }).waitFor();
  assert.match((await sent).headers()["content-type"], /^application\/json/);
  assert.deepEqual(await page.evaluate(() => [reco.sent, reco.refused, reco.dropped]), [1, 0, 0]);
  await arrived(clicker, 1);
});

test("leaving a page sends what waits", async () => {
  const leaving = await browser.newPage();
  await leaving.goto(`${url}?user=${leaver}`);
  await leaving.locator(".row").first().waitFor();
  await leaving.evaluate(([user_id, shown]) => shown.forEach((item_id) => reco.track({ user_id, item_id, action: "view" })), [leaver, (await items()).slice(0, 3)]);
  assert.equal(await leaving.evaluate(() => reco.sent), 0, "they wait for company");
  // Not by closing it: a browser gives a page that closes half a second for its last words, and a busy machine may take longer.
  await leaving.goto("about:blank");
  await arrived(leaver, 3);
  await leaving.close();
});

test("what could not be sent is kept over a reload", async () => {
  const item = (await items())[0];
  await page.route("**/interactions", away);
  await page.evaluate(([user_id, item_id]) => reco.track({ user_id, item_id, action: "view" }), [patient, item]);
  assert.match(await page.evaluate(() => reco.flush().catch(String)), /sent again/);
  await page.reload();
  await rows().first().waitFor();
  await page.unroute("**/interactions", away);
  await page.evaluate(() => reco.flush());
  await arrived(patient, 1);
});

test("an action that the server does not answer is kept and can be tried again", async () => {
  await open(`?user=${clicker}`);
  await page.route("**/interactions", away);
  await press(1, /^Hide/);
  await page.locator("#trouble", { hasText: "sent again" }).waitFor();
  await page.unroute("**/interactions", away);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#status", { hasText: "You hid" }).waitFor();
  assert.ok(await page.locator("#trouble").isHidden());
  await arrived(clicker, 2);
});

test("what the server refuses is said", async () => {
  await open(`?user=${clicker}`);
  await page.evaluate((user_id) => reco.track({ user_id, item_id: "", action: "view" }), clicker);
  await press(0, /^Click/);
  await page.locator("#trouble", { hasText: "item_id is empty" }).waitFor();
  await open("?user=230");
});

test("users are suggested while one types, and chosen with the pointer", async () => {
  await page.locator("#user").fill("249");
  await suggested().filter({ hasText: /^2497/ }).click();
  await page.waitForURL(/user=2497/);
  await settled();
  assert.equal(await page.locator("#user").inputValue(), "2497");
  assert.ok(!await suggested().first().isVisible(), "the suggestions are gone");
});

test("a wrong filter shows the place, a right one filters", async () => {
  await filter("price ~ 3");
  await page.locator("#filter-error", { hasText: "column 7" }).waitFor();
  assert.equal(await page.locator("#filter").getAttribute("aria-invalid"), "true");
  await filter("category = \"Produce\"");
  await page.locator("#filter-error").waitFor({ state: "hidden" });
  await page.waitForFunction(() => [...document.querySelectorAll(".about")].every((about) => about.textContent.startsWith("Produce")));
  await filter("price > 1000");
  await page.locator("#status", { hasText: "Nothing matches" }).waitFor();
  await filter("");
  await rows().first().waitFor();
});

test("similar items have an address of their own, and the way back works", async () => {
  await open("?user=2497");
  await press(0, /^Similar/);
  await page.locator("#page-title", { hasText: "Similar to" }).waitFor();
  assert.match(page.url(), /user=2497&similar=\d+/);
  await page.goBack();
  await page.locator("#page-title", { hasText: "Recommended" }).waitFor();
  await page.goForward();
  await page.locator("#facts .surface dd", { hasText: "similar" }).waitFor();
  await page.getByRole("button", { name: "Back to the home page" }).click();
  await page.locator("#facts .surface dd", { hasText: "home" }).waitFor();
});

test("why-not is asked by title with the keyboard alone", async () => {
  const field = page.getByRole("combobox", { name: "Why not this item?" });
  await field.fill("grapes");
  await suggested().first().waitFor();
  await field.press("ArrowDown");
  await field.press("ArrowDown");
  const selected = page.locator(".options [aria-selected=true]");
  assert.equal(await field.getAttribute("aria-activedescendant"), await selected.getAttribute("id"));
  const chosen = await selected.locator("span").textContent();
  await field.press("Enter");
  await page.locator("#why-not-answer", { hasText: chosen }).waitFor();
  assert.match(await page.locator("#why-not-answer").textContent(), /proposed|in place|outranked|dropped/);
  await field.fill("no-such-item");
  await field.press("Enter");
  await page.locator("#why-not-answer", { hasText: "catalogue does not have it" }).waitFor();
  await field.fill("");
  await field.press("Enter");
  await page.locator("#why-not-answer:empty").waitFor({ state: "attached" });
});

test("waiting shows, a failure is told and can be tried again", async () => {
  let letGo;
  const held = new Promise((resolve) => { letGo = resolve; });
  await page.route("**/recommendations?*", async (route) => { await held; await route.abort(); });
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("#page-side[aria-busy=true]").waitFor();
  letGo();
  await page.locator("#trouble", { hasText: "does not answer" }).waitFor();
  await settled();
  assert.ok(await rows().count() > 0, "the last page stays");
  await page.unroute("**/recommendations?*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#trouble").waitFor({ state: "hidden" });
});

test("a page that is not the best possible says what is missing", async () => {
  const warnings = ["als", "content"].map((component) => ({ component, kind: "timeout", message: `${component}: time budget spent` }));
  await page.route("**/recommendations?*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...await response.json(), rung: "popular", degraded: true, warnings } });
  });
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("#status.bad", { hasText: "Without als, content (time budget spent)." }).waitFor();
  assert.equal(await page.locator("#facts .rung dd.bad").textContent(), "popular");
  await page.unroute("**/recommendations?*");
});

test("a keyboard gets past the controls at once", async () => {
  await open("?user=230");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "page-title");
});

/** The least contrast between text and what is behind it, and where it is; WCAG 2.2, 1.4.3 asks for 4.5. */
function leastContrast() {
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => parts(color).slice(0, 3).reduce((sum, value, place) => sum + channel(value / 255) * [0.2126, 0.7152, 0.0722][place], 0);
  const clear = (color) => parts(color)[3] === 0;
  const ground = (element) => (clear(getComputedStyle(element).backgroundColor) ? ground(element.parentElement) : getComputedStyle(element).backgroundColor);
  const texts = [...document.querySelectorAll("body *")].filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && element.checkVisibility());
  const contrasts = texts.map((element) => {
    const [low, high] = [getComputedStyle(element).color, ground(element)].map(luminance).toSorted((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), `${element.tagName} ${element.textContent.trim().slice(0, 30)}`];
  });
  return contrasts.toSorted((a, b) => a[0] - b[0])[0];
}

for (const colorScheme of ["light", "dark"]) {
  test(`text can be read in ${colorScheme} colours`, async () => {
    await page.emulateMedia({ colorScheme });
    const [contrast, where] = await page.evaluate(leastContrast);
    assert.ok(contrast >= 4.5, `${contrast.toFixed(2)} at ${where}`);
  });
}

for (const width of [380, 320]) {
  test(`a screen of ${width} px does not scroll sideways`, async () => {
    await page.setViewportSize({ width, height: 800 });
    await page.locator(".row summary").first().click();
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(content <= screen, `${content} px on ${screen} px`);
  });
}

test("the page never complained", () => assert.deepEqual(complaints, []));
