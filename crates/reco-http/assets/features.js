// What the server knows of a user by the events of late, which the next page rests on.

import { counted, element } from "./words.js";

const named = (counts) => counts.map(([name, count]) => `${name.replaceAll("_", " ")} ${count}`).join(", ");

const most = (counts) => Object.entries(counts).sort(([, one], [, other]) => other - one).slice(0, 3);

function visit({ session, now }) {
  if (!session) return "none is running";
  const minutes = Math.round((now - session.started) / 60_000);
  return `${counted(session.events, "event")} on ${counted(session.items.length, "item")}, begun ${minutes ? `${counted(minutes, "minute")} ago` : "just now"}`;
}

/** Events by windows of days; a change is one only for who was there before this week. */
function lately({ windows, trend }) {
  const [today, week, weeks] = ["1d", "7d", "28d"].map((name) => windows[name].events);
  const changed = weeks > week ? `: ${trend.toFixed(1)} times as many a day this week` : "";
  return `${today} today, ${week} in 7 days, ${weeks} in 28${changed}`;
}

/** As a list of terms: empty for somebody whose events the server has not seen. */
export function showFeatures(features, place) {
  const { actions, categories } = features;
  const facts = [
    ["visit", visit(features)],
    ["events", lately(features)],
    ["actions", named(most(Object.fromEntries(Object.entries(actions).map(([name, { count }]) => [name, count]))))],
    ["categories", named(most(categories))],
  ];
  const known = features.interactions > 0 ? facts.filter(([, value]) => value) : [];
  place.replaceChildren(...known.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}
