// The list of clips at the side: a row per clip with its verdict, a filter, the one that is shown.
// Thousands of rows are fine: only rows whose text changes are touched.
//
// Event: "choose" (detail: place in the list).

import { element } from "../shared/keys.js";
import { VERDICTS } from "./verdicts.js";

export class ClipList extends EventTarget {
  constructor(place, find, items) {
    super();
    this.items = items;
    this.rows = items.map((item, number) => {
      const sign = element("span", { className: "sign" });
      const rank = element("span", { className: "number soft" }, String(number + 1));
      const row = element(
        "button",
        { type: "button", tabIndex: -1, title: item.name },
        rank,
        element("span", { className: "name" }, item.item_id),
        sign,
      );
      row.addEventListener("click", () => (row.blur(), this.#choose(number)));
      return { line: element("li", {}, row), row, rank, sign, shown: null };
    });
    place.append(...this.rows.map(({ line }) => line));
    this.find = find;
    find.addEventListener("input", () => this.#filter());
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#take();
      else if (event.key === "Escape") this.#end();
    });
  }

  // Show signs: [{verdict, differ, clicked}] per item; `differ` says that people do, `clicked` that
  // somebody has clicked the goal or corrected the shot.
  show(states, chosen) {
    this.rows.forEach((row, number) => {
      const { verdict, differ, clicked } = states[number];
      const key = `${verdict}${differ}${clicked}${number === chosen}`;
      if (row.shown === key) return;
      row.shown = key;
      row.sign.textContent = VERDICTS[verdict]?.sign ?? "";
      row.sign.className = `sign ${verdict ?? "none"}`;
      if (clicked) row.rank.dataset.clicked = "yes";
      else delete row.rank.dataset.clicked;
      row.line.classList.toggle("differ", Boolean(differ));
      row.line.classList.toggle("here", number === chosen);
      if (number === chosen) {
        row.row.setAttribute("aria-current", "true");
        row.line.scrollIntoView({ block: "nearest" });
      } else row.row.removeAttribute("aria-current");
    });
  }

  ask() {
    this.find.focus();
    this.find.select();
  }

  #matches() {
    const typed = this.find.value.trim().toLowerCase();
    if (!typed) return this.items.map((_, number) => number);
    const byNumber = /^\d+$/.test(typed) ? Number(typed) - 1 : -1;
    const byName = this.items.flatMap((item, number) => (item.item_id.toLowerCase().includes(typed) ? [number] : []));
    // What is called so comes before what merely stands at that place.
    return this.items[byNumber] && !byName.includes(byNumber) ? [...byName, byNumber] : byName;
  }

  #filter() {
    const shown = new Set(this.#matches());
    this.rows.forEach(({ line }, number) => (line.hidden = !shown.has(number)));
  }

  #take() {
    const [first] = this.#matches();
    if (first === undefined) return;
    this.#choose(first);
    this.#end();
  }

  #end() {
    this.find.value = "";
    this.#filter();
    this.find.blur();
  }

  #choose(number) {
    this.dispatchEvent(new CustomEvent("choose", { detail: number }));
  }
}
