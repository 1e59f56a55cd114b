// The right side: the list of recommendations, kept steady for eyes and fingers while it changes.

import { row } from "./row.js";
import { element, milliseconds } from "./words.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

function places(list) {
  return new Map([...list.querySelectorAll(".row")].map((shown) => [shown.dataset.item, shown.getBoundingClientRect().top]));
}

/** Lets rows glide from where they were (W3C Web Animations), and new ones appear. */
function glide(list, before) {
  if (calm.matches) return;
  for (const shown of list.querySelectorAll(".row")) {
    const from = before.get(shown.dataset.item);
    const way = from === undefined ? 0 : from - shown.getBoundingClientRect().top;
    if (from !== undefined && way === 0) continue;
    const start = from === undefined ? { opacity: 0 } : { transform: `translateY(${way}px)` };
    shown.animate([start, {}], { duration: 320, easing: "cubic-bezier(.2, .7, .2, 1)" });
  }
}

/** Where the keyboard is in the list: which button of which item in which place. */
function focusIn(list) {
  const shown = document.activeElement?.closest?.("#page .row");
  if (!shown) return undefined;
  return { item: shown.dataset.item, action: document.activeElement.dataset.action, place: [...list.children].indexOf(shown) };
}

/** Puts the keyboard back: on the same item, or on what stands in its place now. */
function refocus(list, focus, title) {
  if (!focus) return;
  const rows = [...list.querySelectorAll(".row")];
  const shown = rows.find((one) => one.dataset.item === focus.item) ?? rows[Math.min(focus.place, rows.length - 1)];
  const target = shown?.querySelector(`[data-action="${focus.action}"]`) ?? shown?.querySelector("summary") ?? title;
  target.focus({ preventScroll: true });
}

/** Replaces the list. `before` has the places of the page to compare with, if any. */
export function showList(list, title, page, before, on) {
  const [tops, focus] = [places(list), focusIn(list)];
  const open = new Set([...list.querySelectorAll("details[open]")].map((details) => details.closest(".row").dataset.item));
  const best = page.items.every((item) => item.score >= 0) ? Math.max(0, ...page.items.map((item) => item.score)) : 0;
  const rows = page.items.map((item) => row(item, best, before, on));
  rows.forEach((made) => { made.querySelector("details").open = open.has(made.dataset.item); });
  list.replaceChildren(...rows);
  if (before) glide(list, tops);
  refocus(list, focus, title);
}

/** What changed between two pages, in a few words. */
export function difference(items, before) {
  const fresh = items.filter((item) => !before.has(item.item_id)).length;
  const moved = items.filter((item) => before.has(item.item_id) && before.get(item.item_id) !== item.rank).length;
  if (fresh + moved === 0) return "nothing changed";
  return [fresh && `${fresh} new`, moved && `${moved} moved`].filter(Boolean).join(", ");
}

/** How the page came about: where, how good, how fast, from what. */
export function showFacts(place, page, { surface, seed }) {
  const { server, round } = page.timing;
  const took = server === null ? milliseconds(round) : `${milliseconds(server)}, ${milliseconds(round)} there and back`;
  const facts = [
    ["surface", surface],
    ["rung", page.rung.replaceAll("_", " "), page.degraded ? "bad" : "good"],
    ["answered in", took],
    ["seed", seed],
    ["snapshot", page.snapshot],
  ];
  place.replaceChildren(...facts.map(([name, value, className]) => {
    const fact = element("div", undefined, name);
    fact.append(element("dt", name), " ", element("dd", value, className));
    return fact;
  }));
}

/** What was asked for in vain. */
export function remarks(page) {
  return (page.remarks ?? []).map((remark) => `${remark}.`).join(" ");
}

/** What the page had to do without, parts that failed alike together. */
export function warnings(page) {
  const cause = ({ component, message }) => message.replace(`${component}: `, "");
  const alike = [...Map.groupBy(page.warnings, cause)];
  const named = alike.map(([why, parts]) => `${parts.map((part) => part.component).join(", ")} (${why})`);
  if (named.length) return `Without ${named.join("; ")}.`;
  return page.degraded ? "Nothing failed, but there was no personal list to show." : "";
}
