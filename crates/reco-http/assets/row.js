// One recommendation: the item, its score beside the best one's, its reasons and what they rest on.

import { button, counted, element, figure, labels, price } from "./words.js";

const ACTIONS = [["click", "Click"], ["add_to_cart", "To cart"], ["purchase", "Buy"], ["hide", "Hide"]];
const REASONS_AT_ONCE = 2;

/** What became of an item's place: undefined when there is nothing to compare with. */
function changeOf(item, before) {
  if (!before) return undefined;
  const then = before.get(item.item_id);
  if (then === undefined) return { kind: "new", text: "new", spoken: "new on the page" };
  if (then === item.rank) return undefined;
  const up = then > item.rank;
  const places = counted(Math.abs(then - item.rank), "place");
  return { kind: up ? "up" : "down", text: `${up ? "▲" : "▼"} ${Math.abs(then - item.rank)}`, spoken: `${up ? "up" : "down"} ${places}` };
}

function votes(why) {
  return why.sources.map((vote) => {
    const row = element("tr");
    row.append(element("td", vote.source), element("td", `#${vote.rank}`), element("td", figure(vote.score)));
    return row;
  });
}

function evidence(why) {
  return why.because.map((own) => {
    const row = element("li");
    row.append(element("span", own.title), element("small", `${Math.round(own.share * 100)} % of ${own.source}`), track(own.share));
    return row;
  });
}

function track(share) {
  const [made, fill] = [element("span", undefined, "track"), element("span", undefined, "fill")];
  made.setAttribute("aria-hidden", "true");
  fill.style.setProperty("--share", share);
  made.append(fill);
  return made;
}

function fillDetails(details, item) {
  const rest = item.reasons.slice(REASONS_AT_ONCE);
  const more = rest.length ? `${counted(rest.length, "more reason")} and the figures` : "The figures";
  details.querySelector("summary").textContent = more;
  details.querySelector(".more").replaceChildren(...rest.map((reason) => element("li", reason)));
  details.querySelector("tbody").replaceChildren(...votes(item.why));
  details.querySelector(".votes").hidden = item.why.sources.length === 0;
  details.querySelector(".evidence").replaceChildren(...evidence(item.why));
  const moves = item.why.moves.map((move) => `${move.rule.replaceAll("_", " ")} from ${move.from} to ${move.to}`);
  details.querySelector(".moves").textContent = moves.length ? `Moved by ${moves.join(", ")}.` : "";
}

function actions(item, on) {
  const made = ACTIONS.map(([action, label]) => {
    const one = button(label, `${label}: ${item.title}`, () => on.act(item, action));
    one.dataset.action = action;
    return one;
  });
  made.push(button("Similar", `Similar: ${item.title}`, () => on.similar(item), "quiet"));
  return made;
}

/** `best` is the page's highest score, or 0 where scores cannot be compared by length. */
export function row(item, best, before, on) {
  const made = document.getElementById("row").content.cloneNode(true).firstElementChild;
  const part = (name) => made.querySelector(name);
  made.dataset.item = item.item_id;
  part(".place").textContent = item.rank;
  const change = changeOf(item, before);
  if (change) {
    const mark = part(".change");
    mark.hidden = false;
    mark.classList.add(change.kind);
    mark.append(element("span", change.text), element("span", `, ${change.spoken}`, "unseen"));
    mark.firstChild.setAttribute("aria-hidden", "true");
  }
  part(".title").textContent = item.title;
  part(".about").append(labels(item), element("span", price(item.price), "price"));
  part(".figure").textContent = figure(item.score);
  part(".track").hidden = best <= 0;
  part(".score .fill").style.setProperty("--share", best > 0 ? item.score / best : 0);
  part(".reasons").replaceChildren(...item.reasons.slice(0, REASONS_AT_ONCE).map((reason) => element("li", reason)));
  fillDetails(part("details"), item);
  part(".actions").append(...actions(item, on));
  return made;
}
