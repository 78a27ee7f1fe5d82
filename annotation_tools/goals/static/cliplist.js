// The list of clips at the side: a row per clip with its verdict, a filter, the one that is shown.
// Thousands of rows are fine: only rows whose text changes are touched.
//
// Event: "choose" (detail: place in the list).

import { element } from "../shared/keys.js";
import { VERDICTS } from "./verdicts.js";

export class ClipList extends EventTarget {
  // items: [{item_id, shown}]: `shown` is what a clip is called here.
  constructor(place, find, items) {
    super();
    Object.assign(this, { place, items });
    this.rows = items.map((item, number) => {
      const sign = element("span", { className: "sign" });
      const differ = element("span", { className: "differ" });
      const rank = element("span", { className: "number soft" }, String(number + 1));
      const row = element(
        "button",
        { type: "button", tabIndex: -1, title: item.shown },
        rank,
        element("span", { className: "name" }, item.shown),
        differ,
        sign,
      );
      row.addEventListener("click", () => (row.blur(), this.#choose(number)));
      return { line: element("li", {}, row), row, rank, sign, differ, shown: null };
    });
    place.append(...this.rows.map(({ line }) => line));
    this.find = find;
    find.addEventListener("input", () => this.#filter());
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#take();
      else if (event.key === "Escape") this.#end();
    });
  }

  // Show signs: [{verdict, differ, clicked}] per item; `differ` is "≠" where people do, "=" where that
  // is settled; `clicked` says that somebody has clicked the goal or corrected the shot.
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
      row.differ.textContent = differ ?? "";
      row.differ.classList.toggle("soft", differ === "=");
      row.differ.title = { "≠": "they differ", "=": "settled" }[differ] ?? "";
      row.line.classList.toggle("here", number === chosen);
      if (number === chosen) {
        row.row.setAttribute("aria-current", "true");
        this.#reveal(row.line);
      } else row.row.removeAttribute("aria-current");
    });
  }

  // Scroll the list, never the page: on a phone it would open somewhere in the middle.
  #reveal(line) {
    const { place } = this;
    const [top, bottom] = [line.offsetTop - place.offsetTop, line.offsetTop - place.offsetTop + line.offsetHeight];
    if (top < place.scrollTop) place.scrollTop = top;
    else if (bottom > place.scrollTop + place.clientHeight) place.scrollTop = bottom - place.clientHeight;
  }

  ask() {
    this.find.focus();
    this.find.select();
  }

  #matches() {
    const typed = this.find.value.trim().toLowerCase();
    if (!typed) return this.items.map((_, number) => number);
    const byNumber = /^\d+$/.test(typed) ? Number(typed) - 1 : -1;
    const byName = this.items.flatMap((item, number) => (item.shown.toLowerCase().includes(typed) ? [number] : []));
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
