// A text field with suggestions from the server: the combobox pattern of the ARIA Authoring Practices.

import { element } from "./words.js";

const PAUSE = 120; // Milliseconds without a keystroke before the server is asked.

/**
 * Turns `input` into a combobox. `search(text)` resolves to `[{ value, text, note }]`; `pick(option)` is called
 * for the one chosen.
 */
export function combobox(input, search, pick) {
  const list = element("ul", undefined, "options");
  Object.assign(list, { id: `${input.id}-options`, hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  Object.entries(attributes).forEach(([name, value]) => input.setAttribute(name, value));
  input.after(list);
  let options = [];
  let active = -1;
  let asked = 0;
  let timer;

  function close() {
    clearTimeout(timer);
    asked += 1; // An answer still under way comes too late.
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  }

  function mark(next) {
    active = next;
    [...list.children].forEach((row, place) => row.setAttribute("aria-selected", String(place === active)));
    if (active < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[active].id);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function choose(option) {
    close();
    input.value = option.text;
    pick(option);
  }

  function row(option, place) {
    const made = element("li");
    made.id = `${list.id}-${place}`;
    made.setAttribute("role", "option");
    made.append(element("span", option.text), element("small", option.note));
    made.addEventListener("click", () => choose(option));
    return made;
  }

  async function suggest(text) {
    const mine = ++asked;
    const found = await search(text).catch(() => []);
    if (mine !== asked || document.activeElement !== input) return;
    options = found;
    list.replaceChildren(...options.map(row));
    list.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
  }

  function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.hidden) suggest("");
    else if (step) mark((active + step + options.length + (active < 0 && step < 0 ? 1 : 0)) % options.length);
    else if (event.key === "Enter" && active >= 0) choose(options[active]);
    else if (event.key === "Escape" && !list.hidden) close();
    else return;
    event.preventDefault();
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => suggest(input.value.trim()), PAUSE);
  });
  input.addEventListener("keydown", onKey);
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // Keeps the focus in the field.
  return { close };
}
