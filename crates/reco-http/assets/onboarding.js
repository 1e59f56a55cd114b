// What somebody new is asked: categories to choose, items to rate.

import { api } from "./api.js";
import { element, labels } from "./words.js";

const RATINGS = ["", "5", "4", "3", "2", "1"];
const MOST_SHOWN = 30;

function choice({ category, items }) {
  const label = element("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "category", value: category });
  label.append(box, ` ${category} `, element("small", String(items)));
  return label;
}

function sample(item) {
  const label = element("label");
  const rating = Object.assign(document.createElement("select"), { name: "rating" });
  rating.dataset.item = item.item_id;
  rating.append(...RATINGS.map((value) => new Option(value || "not known", value)));
  label.append(element("span", [item.title, labels(item)].filter(Boolean).join(" · ")), rating);
  return label;
}

function answers(form, user_id) {
  const chosen = [...form.querySelectorAll("[name=category]:checked")].map((box) => box.value);
  const rated = [...form.querySelectorAll("[name=rating]")].filter((rating) => rating.value);
  return { user_id, categories: chosen, ratings: rated.map(({ value, dataset }) => ({ item_id: dataset.item, rating: Number(value) })) };
}

/** Fills the form with the server's questions; `user` says who answers, `told` is called when the server knows. */
export async function ask(form, user, told) {
  const { choose, categories, samples } = await api("onboarding?samples=6");
  form.querySelector(".choices legend").textContent = `Choose ${choose} categories`;
  form.querySelector(".choices div").replaceChildren(...categories.slice(0, MOST_SHOWN).map(choice));
  form.querySelector(".samples div").replaceChildren(...samples.map(sample));
  const problem = form.querySelector("[role=alert]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      const body = JSON.stringify(answers(form, user()));
      await api("onboarding", { method: "POST", headers: { "content-type": "application/json" }, body });
      form.reset();
      await told();
    } catch (refusal) {
      problem.textContent = refusal.message;
      problem.hidden = false;
    }
  });
}
