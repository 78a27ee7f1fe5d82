// The stack of cuts beside the video: thumbnails, names, sports. Each row's text is text, whatever it
// holds. Knows nothing about the player: it says what was done to which cut.
//
// Events: "choose", "drop" (detail: id), "change" (detail: {id, change}).

import { element } from "../shared/keys.js";
import { timecode } from "../shared/player.js";

export class CutList extends EventTarget {
  #rows = new Map(); // id → {row, parts}

  constructor(list, sports) {
    super();
    this.list = list;
    this.sports = sports;
  }

  // cuts: [{id, start, end, name, sport, startS, endS, image}] in order; made: id → {mode: file}
  show(cuts, chosen, made) {
    const ids = new Set(cuts.map((cut) => cut.id));
    for (const [id, { row }] of this.#rows) if (!ids.has(id)) (row.remove(), this.#rows.delete(id));
    cuts.forEach((cut, place) => {
      const { row, parts } = this.#rows.get(cut.id) ?? this.#make(cut.id);
      const isChosen = cut.id === chosen;
      row.classList.toggle("chosen", isChosen);
      row.setAttribute("aria-current", String(isChosen));
      row.style.setProperty("--sport", cut.sport ? sportColour(cut.sport) : "");
      if (parts.image.getAttribute("src") !== cut.image) parts.image.src = cut.image;
      if (document.activeElement !== parts.name) parts.name.value = cut.name;
      this.#offer(parts.sport, cut.sport);
      parts.times.textContent = `${timecode(cut.startS).slice(0, -2)} · ${(cut.endS - cut.startS).toFixed(1)} s`;
      parts.times.title = `frames ${cut.start} to ${cut.end - 1}`;
      const files = Object.values(made.get(cut.id) ?? {});
      parts.made.textContent = files.length ? "✓" : "";
      parts.made.title = files.length ? `exported: ${files.join(", ")}` : "";
      if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
      if (isChosen && !this.list.contains(document.activeElement)) row.scrollIntoView({ block: "nearest" });
    });
  }

  rename(id) {
    const name = this.#rows.get(id)?.parts.name;
    name?.focus();
    name?.select();
  }

  #make(id) {
    const say = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail }));
    const parts = {
      image: element("img", { alt: "", loading: "lazy" }),
      name: element("input", { ariaLabel: "Name", maxLength: 120, spellcheck: false, autocomplete: "off" }),
      times: element("span"),
      made: element("span", { className: "made" }),
      sport: element("select", { ariaLabel: "Sport" }),
      thumb: element("button", { className: "thumb", ariaLabel: "Go to this cut" }),
      drop: element("button", { className: "quiet drop", title: "Drop this cut", ariaLabel: "Drop this cut" }, "×"),
    };
    parts.thumb.append(parts.image);
    const row = element("li", { className: "cut" }, parts.thumb, parts.name, parts.drop,
      element("div", { className: "facts" }, parts.times, parts.made, parts.sport));
    const blurAfterClick = (event) => event.detail > 0 && event.currentTarget.blur();
    parts.thumb.addEventListener("click", (event) => (say("choose", id), blurAfterClick(event)));
    parts.drop.addEventListener("click", () => say("drop", id));
    row.addEventListener("click", (event) => event.target === row && say("choose", id));
    parts.name.addEventListener("change", () => {
      const name = parts.name.value.trim();
      if (name) say("change", { id, change: { name } });
    });
    parts.name.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) parts.name.blur();
    });
    parts.sport.addEventListener("change", () => {
      say("change", { id, change: { sport: parts.sport.value || null } });
      parts.sport.blur();
    });
    this.#rows.set(id, { row, parts });
    return this.#rows.get(id);
  }

  #offer(select, sport) {
    const offered = [...new Set([...this.sports, ...(sport ? [sport] : [])])];
    const wanted = ["", ...offered].join("\n");
    if (select.dataset.offered !== wanted) {
      select.dataset.offered = wanted;
      select.replaceChildren(...["", ...offered].map((value) => element("option", { value }, value || "sport?")));
    }
    if (document.activeElement !== select) select.value = sport ?? "";
  }
}

let colours = {};

export function nameColours(named) {
  colours = named;
}

export function sportColour(sport) {
  return colours[sport] ?? getComputedStyle(document.documentElement).getPropertyValue(sport ? "--other" : "--accent").trim();
}
