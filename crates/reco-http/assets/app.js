// The page at /: a user's history beside their recommendations; every click changes the next list.

const at = (id) => document.getElementById(id);
const ACTIONS = [["click", "Click"], ["add_to_cart", "Add to cart"], ["purchase", "Buy"], ["hide", "Hide"]];
const state = { shown: new Map(), titles: new Map(), similarTo: null };

async function api(path, options) {
  const response = await fetch(path, options);
  const body = await response.json();
  if (!response.ok) {
    const problem = body.error ?? body.rejected?.[0] ?? { message: `the server answered ${response.status}` };
    throw Object.assign(new Error(problem.message ?? problem.problem), { field: problem.field });
  }
  return body;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

function about(item) {
  const price = item.price === undefined ? null : item.price.toFixed(2);
  return [item.category, item.subcategory, item.brand, price].filter(Boolean).join(" · ");
}

const times = (count) => count === 1 ? "once" : `${count} times`;

async function showHistory(user) {
  const history = await api(`/users/${encodeURIComponent(user)}/history?limit=100`);
  history.items.forEach((item) => state.titles.set(item.item_id, item.title));
  const days = (last) => Math.max(0, Math.floor((history.now - last) / 86_400_000));
  at("history").replaceChildren(...history.items.map((item) => {
    const row = element("li");
    const ago = days(item.last) === 0 ? "today" : `${days(item.last)} days ago`;
    row.append(element("span", item.title, item.rejected ? "rejected" : ""), element("br"));
    row.append(element("small", [about(item), `${times(item.count)}, ${ago}`].filter(Boolean).join(" · ")));
    return row;
  }));
  at("history-note").textContent = history.total === 0
    ? "Nothing yet: this is what a new user sees. Click something."
    : `${history.total} items, newest first`;
}

function explainInto(details, item) {
  const rows = item.why.sources.map((vote) => {
    const row = element("tr");
    row.append(element("td", vote.source), element("td", `#${vote.rank}`), element("td", vote.score.toPrecision(3)));
    return row;
  });
  details.querySelector("tbody").replaceChildren(...rows);
  const because = item.why.because.map((own) => `${state.titles.get(own.item) ?? own.item} (${own.source}, ${Math.round(own.share * 100)} %)`);
  details.querySelector(".because").textContent = because.length ? `Rests on: ${because.join(", ")}` : "";
  const moves = item.why.moves.map((move) => `${move.rule}: ${move.from} → ${move.to}`);
  details.querySelector(".moves").textContent = moves.length ? `Moved by: ${moves.join(", ")}` : "";
}

function card(item, isNew) {
  const made = at("card").content.cloneNode(true).firstElementChild;
  made.dataset.item = item.item_id;
  made.classList.toggle("fresh", isNew);
  made.querySelector(".badge").hidden = !isNew;
  made.querySelector(".rank").textContent = item.rank;
  made.querySelector(".title").textContent = item.title;
  made.querySelector(".about").textContent = about(item);
  made.querySelector(".reasons").replaceChildren(...item.reasons.map((reason) => element("li", reason)));
  explainInto(made.querySelector("details"), item);
  const buttons = ACTIONS.map(([action, label]) => button(label, item, () => act(item, action)));
  buttons.push(button("Similar", item, () => show({ similarTo: item })));
  made.querySelector(".actions").append(...buttons);
  return made;
}

function button(label, item, onClick) {
  const made = element("button", label);
  made.type = "button";
  made.setAttribute("aria-label", `${label}: ${item.title}`);
  made.addEventListener("click", onClick);
  return made;
}

function difference(items) {
  const before = state.shown;
  const fresh = items.filter((item) => !before.has(item.item_id)).length;
  const moved = items.filter((item) => before.has(item.item_id) && before.get(item.item_id) !== item.rank).length;
  return `${fresh} new, ${moved} moved`;
}

function pagePath(user, similarTo, extra = {}) {
  const query = new URLSearchParams({ user_id: user, count: 12, ...extra });
  if (at("filter").value.trim()) query.set("filter", at("filter").value.trim());
  if (similarTo) {
    query.set("item_id", similarTo.item_id);
    return `/similar?${query}`;
  }
  if (at("category").value) query.set("category", at("category").value);
  return `/recommendations?${query}`;
}

function showPage(page, because) {
  const comparing = because !== undefined;
  const note = comparing ? `${difference(page.items)} because ${because}` : `rung ${page.rung}, snapshot ${page.snapshot}`;
  const warnings = page.warnings.map((warning) => warning.message).join("; ");
  say(warnings ? `${note} — ${warnings}` : note, page.degraded);
  at("page").replaceChildren(...page.items.map((item) => card(item, comparing && !state.shown.has(item.item_id))));
  if (page.items.length === 0) say("Nothing matches. A wider filter may help.");
  state.shown = new Map(page.items.map((item) => [item.item_id, item.rank]));
}

async function show({ similarTo = null, because } = {}) {
  const user = at("user").value.trim();
  if (!user) return;
  state.similarTo = similarTo;
  at("filter-error").hidden = true;
  at("page-title").textContent = similarTo ? `Similar to ${similarTo.title}` : "Recommended";
  try {
    const [, page] = await Promise.all([showHistory(user), api(pagePath(user, similarTo))]);
    showPage(page, because);
  } catch (problem) {
    complain(problem);
  }
}

function complain(problem) {
  if (problem.field === "filter") {
    at("filter-error").textContent = problem.message;
    at("filter-error").hidden = false;
  } else {
    say(problem.message, true);
  }
}

async function act(item, action) {
  const event = { user_id: at("user").value.trim(), item_id: item.item_id, action };
  try {
    await api("/interactions", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(event) });
    await show({ because: `of "${action.replaceAll("_", " ")}" on ${item.title}` });
  } catch (problem) {
    complain(problem);
  }
}

async function askWhyNot() {
  const item = at("why-not").value.trim();
  if (!item) return;
  try {
    const page = await api(pagePath(at("user").value.trim(), state.similarTo, { why_not: item, explain: false }));
    at("why-not-answer").textContent = page.why_not[0]?.message ?? "";
  } catch (problem) {
    at("why-not-answer").textContent = problem.message;
  }
}

async function start() {
  at("controls").addEventListener("submit", (event) => { event.preventDefault(); show(); });
  at("category").addEventListener("change", () => show());
  at("why-not-form").addEventListener("submit", (event) => { event.preventDefault(); askWhyNot(); });
  const [{ users }, { categories }] = await Promise.all([api("/users?limit=200"), api("/categories")]);
  const option = (value) => Object.assign(element("option", value), { value });
  at("users").replaceChildren(...users.map((user) => option(user.user_id)));
  at("category").append(...categories.map(option));
  if (users.length > 0) {
    at("user").value = users[0].user_id;
    await show();
  }
}

start().catch((problem) => say(problem.message, true));
