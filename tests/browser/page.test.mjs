// The page at / in a real browser, against the real server. RECO_URL says where that is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const url = process.env.RECO_URL;
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
  page.on("console", (message) => message.type() === "error" && !message.text().includes("400") && complaints.push(message.text()));
  await page.goto(url);
  await page.locator(".card").first().waitFor();
});

after(async () => browser?.close());

const cards = () => page.locator(".card").evaluateAll((all) => all.map((card) => card.dataset.item));

test("a user's history stands beside recommendations with reasons", async () => {
  assert.ok(await page.locator("#history li").count() > 5);
  assert.equal(await page.locator(".card").count(), 12);
  for (const reasons of await page.locator(".reasons").allTextContents()) assert.ok(reasons.length > 5);
  await page.locator("summary").first().click();
  assert.ok(await page.locator(".card").first().locator("tbody tr").count() > 0);
});

test("hiding an item takes it off the list at once and says why the list changed", async () => {
  const [first] = await cards();
  await page.locator(".card").first().getByRole("button", { name: /^Hide/ }).click();
  await page.locator("#status", { hasText: "because of \"hide\"" }).waitFor();
  assert.ok(!(await cards()).includes(first));
  await page.locator("#history .rejected").first().waitFor();
});

test("the first purchase gives a new user a personal list", async () => {
  await page.locator("#user").fill("somebody-new");
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("#history-note", { hasText: "new user" }).waitFor();
  const before = await cards();
  await page.locator(".card").nth(3).getByRole("button", { name: /^Buy/ }).click();
  await page.locator("#status", { hasText: "because of \"purchase\"" }).waitFor();
  assert.notDeepEqual(await cards(), before);
  assert.match(await page.locator("#page").textContent(), /taken together|Fits your taste|Similar to/);
});

test("a wrong filter shows the place, a right one filters", async () => {
  await page.locator("#filter").fill("price ~ 3");
  await page.keyboard.press("Enter");
  await page.locator("#filter-error", { hasText: "column 7" }).waitFor();
  await page.locator("#filter").fill("category = \"Produce\"");
  await page.keyboard.press("Enter");
  await page.locator("#filter-error").waitFor({ state: "hidden" });
  await page.waitForFunction(() => [...document.querySelectorAll(".about")].every((about) => about.textContent.startsWith("Produce")));
  await page.locator("#filter").fill("");
});

test("similar items and why-not answer", async () => {
  await page.locator(".card").first().getByRole("button", { name: /^Similar/ }).click();
  await page.locator("#page-title", { hasText: "Similar to" }).waitFor();
  await page.locator("#why-not").fill("no-such-item");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.locator("#why-not-answer", { hasText: "catalogue does not have it" }).waitFor();
});

test("a narrow screen does not scroll sideways", async () => {
  await page.setViewportSize({ width: 360, height: 800 });
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(content <= screen, `${content} px on ${screen} px`);
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/narrow.png` });
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/wide.png` });
  }
});

test("the page never complained", () => assert.deepEqual(complaints, []));
