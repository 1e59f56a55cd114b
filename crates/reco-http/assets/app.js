// The page at /: a user's history beside their recommendations; every click changes the next list.

import "../reco.js";
import { api } from "./api.js";
import { combobox } from "./combobox.js";
import { showFeatures } from "./features.js";
import { showHistory } from "./history.js";
import { ask } from "./onboarding.js";
import { difference, remarks, showFacts, showList, warnings } from "./page.js";
import { counted, labels } from "./words.js";

const at = (id) => document.getElementById(id);
const FIELDS = ["user", "category", "filter", "count", "seed"];
const DONE = {
  click: (title) => `You clicked ${title}`,
  add_to_cart: (title) => `You put ${title} into the cart`,
  purchase: (title) => `You bought ${title}`,
  hide: (title) => `You hid ${title}`,
};

/** What is shown: places by item, the item that the page is about, the one that is missed, what was refused, the request under way. */
const state = { places: new Map(), similarTo: null, missed: null, refusal: "", request: new AbortController(), retry: () => show() };

const value = (id) => at(id).value.trim();

function pagePath() {
  const query = new URLSearchParams({ user_id: value("user"), count: value("count"), seed: value("seed") });
  if (value("filter")) query.set("filter", value("filter"));
  if (state.missed) query.set("why_not", state.missed);
  if (state.similarTo) query.set("item_id", state.similarTo.item_id);
  else if (value("category")) query.set("category", value("category"));
  return `${state.similarTo ? "similar" : "recommendations"}?${query}`;
}

function surface() {
  if (state.similarTo) return "similar";
  return value("category") ? "category" : "home";
}

/** Asks for the history and the page and shows both. `because` says what the user did that this follows. */
async function show({ because } = {}) {
  if (!at("controls").reportValidity()) return;
  state.request.abort();
  state.request = new AbortController();
  const { signal } = state.request;
  state.retry = () => show({ because });
  at("page-side").setAttribute("aria-busy", "true");
  try {
    const history = `history?${new URLSearchParams({ user_id: value("user"), limit: 100 })}`;
    // The history stands by itself: it is there even when the page is refused.
    const past = api(history, { signal }).then((items) => {
      at("onboarding")?.toggleAttribute("hidden", items.total > 0);
      return showHistory(items, at("history"), at("history-note"), similar);
    });
    // So is the page without what is known of late.
    const asked = api(`features?${new URLSearchParams({ user_id: value("user") })}`, { signal });
    const known = asked.then((features) => showFeatures(features, at("features")), () => at("features").replaceChildren());
    const [page] = await Promise.all([api(pagePath(), { signal }), past, known]);
    forgive();
    showPage(page, because);
    at("page-side").setAttribute("aria-busy", "false");
  } catch (problem) {
    if (signal.aborted) return; // A later request has taken over.
    complain(problem);
  }
}

function showPage(page, because) {
  const before = because ? state.places : undefined;
  const title = state.similarTo ? `Similar to ${state.similarTo.title}` : value("category") || "Recommended";
  at("page-title").textContent = title;
  document.title = `${title} · ${value("user")} · reco`;
  at("back").hidden = !state.similarTo;
  showFacts(at("facts"), page, { surface: surface(), seed: value("seed") });
  showList(at("page"), at("page-title"), page, before, { act, similar });
  const changed = because ? `${because}: ${difference(page.items, before)}.` : "";
  const empty = page.items.length === 0 ? "Nothing matches. A wider filter may help." : "";
  at("status").textContent = [changed, empty, remarks(page), warnings(page)].filter(Boolean).join(" ");
  at("status").classList.toggle("bad", page.degraded);
  const answer = page.why_not?.[0];
  at("why-not-answer").textContent = answer ? `${answer.title}: ${answer.message}.` : "";
  state.places = new Map(page.items.map((item) => [item.item_id, item.rank]));
}

function forgive() {
  at("trouble").hidden = true;
  at("filter-error").hidden = true;
  at("filter").removeAttribute("aria-invalid");
}

function complain(problem) {
  const [place, text] = problem.field === "filter" ? [at("filter-error"), at("filter-error")] : [at("trouble"), at("trouble").firstChild];
  forgive();
  if (problem.field === "filter") at("filter").setAttribute("aria-invalid", "true");
  text.textContent = problem.message;
  place.hidden = false;
  at("page-side").setAttribute("aria-busy", "false");
}

function act(item, action) {
  reco.track({ user_id: value("user"), item_id: item.item_id, action });
  return feel(DONE[action](item.title));
}

/** Shows what the user's latest events changed, once the server has them. */
async function feel(because) {
  try {
    await reco.flush();
    if (state.refusal) throw new Error(state.refusal);
    await show({ because });
  } catch (problem) {
    state.retry = () => feel(because);
    complain(problem);
  } finally {
    state.refusal = "";
  }
}

function similar(item) {
  state.similarTo = item;
  go();
  at("page-title").focus();
}

/** Shows what the controls say and keeps it in the address, so that it can be shared and gone back to. */
function go() {
  const fields = FIELDS.map((id) => [id, value(id)]).filter(([id, text]) => text !== at(id).defaultValue && text !== "");
  const address = new URLSearchParams(fields);
  if (state.similarTo) address.set("similar", state.similarTo.item_id);
  if (`?${address}` !== location.search) history.pushState(null, "", `?${address}`);
  return show();
}

async function follow() {
  const address = new URLSearchParams(location.search);
  // A category of the address that is none of the list must be asked for, to hear that it is none.
  const category = address.get("category");
  if (category && ![...at("category").options].some((option) => option.value === category)) at("category").add(new Option(category, category));
  FIELDS.forEach((id) => { at(id).value = address.get(id) ?? at(id).defaultValue ?? ""; });
  const about = address.get("similar");
  state.similarTo = about && await itemNamed(about);
  if (!value("user")) at("user").value = state.first;
  await show();
}

/** The item of an address; one that is not there is shown by its id, and the server says that it is not there. */
async function itemNamed(id) {
  const { items } = await api(`items?${new URLSearchParams({ item_id: id })}`).catch(() => ({ items: [] }));
  return items[0] ?? { item_id: id, title: id };
}

const suggestUsers = async (text) => (await api(`users?limit=8&q=${encodeURIComponent(text)}`)).users
  .map((user) => ({ value: user.user_id, text: user.user_id, note: counted(user.items, "item") }));

const suggestItems = async (text) => (await api(`items?limit=8&q=${encodeURIComponent(text)}`)).items
  .map((item) => ({ value: item.item_id, text: item.title, note: [labels(item), item.item_id].join(" · ") }));

function miss(item) {
  state.missed = item;
  return show();
}

/** Enter without a choice takes the best match, or the text as it stands, to hear that there is no such item. */
async function missTyped() {
  const text = value("why-not");
  const [best] = text ? await suggestItems(text).catch(() => []) : [];
  await miss((best?.value ?? text) || null);
}

function home() {
  state.similarTo = null;
  return go();
}

function wire() {
  reco.url = "interactions"; // Like all others relative to the page, wherever a proxy puts that.
  reco.onrefused = (_, problems) => { state.refusal = problems.map(({ field, problem, message }) => message ?? `${field} ${problem}`).join("; "); };
  const users = combobox(at("user"), suggestUsers, home);
  const missing = combobox(at("why-not"), suggestItems, (option) => miss(option.value));
  at("controls").addEventListener("submit", (event) => { event.preventDefault(); users.close(); home(); });
  at("category").addEventListener("change", home);
  at("back").addEventListener("click", home);
  at("retry").addEventListener("click", () => state.retry());
  at("stranger").addEventListener("click", () => { at("user").value = `guest-${Date.now().toString(36)}`; home(); });
  at("why-not-form").addEventListener("submit", (event) => { event.preventDefault(); missing.close(); missTyped(); });
  addEventListener("popstate", follow);
  // The page stands without questions.
  const survey = at("onboarding");
  ask(survey.querySelector("form"), () => value("user"), async () => {
    survey.open = false;
    await show({ because: "You told what you like" });
    at("page-title").focus();
  }).catch(() => survey.remove());
}

async function start() {
  state.retry = start;
  try {
    const [{ users }, { categories }] = await Promise.all([api("users?limit=1"), api("categories")]);
    state.first = users[0]?.user_id ?? "anybody";
    at("category").replaceChildren(new Option("Home", ""), ...categories.map((name) => new Option(name, name)));
    await follow();
  } catch (problem) {
    complain(problem);
  }
}

wire();
start();
