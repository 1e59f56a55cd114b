// The left side: what a user did, by day.

import { counted, date, element, isoDate, labels, price, since } from "./words.js";

function entry(item, onTitle) {
  const row = element("li", undefined, item.rejected ? "rejected" : "");
  const title = element("button", item.title, "link");
  title.type = "button";
  title.title = "Show similar items";
  title.addEventListener("click", () => onTitle(item));
  row.append(title, element("span", price(item.price), "price"));
  const times = item.rejected ? "turned down" : item.count > 1 ? counted(item.count, "time") : "";
  row.append(element("small", [labels(item), times].filter(Boolean).join(" · ")));
  return row;
}

function daily(items, now, onTitle) {
  const heading = element("h3");
  const time = element("time", date(items[0].last));
  time.dateTime = isoDate(items[0].last);
  heading.append(time, element("small", since(items[0].last, now)));
  const list = element("ul");
  list.append(...items.map((item) => entry(item, onTitle)));
  return [heading, list];
}

export function showHistory(history, place, note, onTitle) {
  const days = Map.groupBy(history.items, (item) => isoDate(item.last));
  place.replaceChildren(...[...days.values()].flatMap((items) => daily(items, history.now, onTitle)));
  place.scrollTop = 0;
  const shown = history.items.length < history.total ? `latest ${history.items.length} of ` : "";
  note.textContent = history.total === 0
    ? "Nothing yet: this is how a new user begins. Click something."
    : `${shown}${counted(history.total, "item")}`;
}
