// Elements, figures and dates for people.

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function button(label, name, onClick, className) {
  const made = element("button", label, className);
  made.type = "button";
  made.setAttribute("aria-label", name);
  made.addEventListener("click", onClick);
  return made;
}

export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

const twoDigits = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** The catalogue knows no currency, so a price is a plain figure. */
export const price = (amount) => (amount === undefined ? undefined : twoDigits.format(amount));

/** Labels of an item, from the widest to the narrowest. */
export const labels = (item) => [item.category, item.subcategory, item.brand].filter(Boolean).join(" · ");

/** A score has no unit: three significant places are all that can be compared by eye. */
export function figure(score) {
  if (score <= -1e30) return "none";
  return Math.abs(score) >= 100 ? score.toFixed(0) : score.toPrecision(3);
}

export function milliseconds(time) {
  return `${time >= 10 ? time.toFixed(0) : time.toFixed(2)} ms`;
}

// The server keeps time in UTC; so does this page, lest a day moves with the reader's zone.
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const DAY = 86_400_000;
const dayNumber = (moment) => Math.floor(moment / DAY);

export const date = (moment) => day.format(moment);
export const isoDate = (moment) => new Date(moment).toISOString().slice(0, 10);

/** How long ago, by calendar days. */
export function since(moment, now) {
  const days = dayNumber(moment) - dayNumber(now);
  if (days > -60) return ago.format(Math.min(days, 0), "day");
  return ago.format(Math.round(days / 30.4), "month");
}
