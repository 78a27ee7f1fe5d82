// What a press says, in words and keys, and the presses that the kernel has not confirmed yet. Stands
// before rater.js in one module: a widget is one file to anywidget.

function newId() {
  // crypto.randomUUID exists on https and localhost only; a hub may serve plain http.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function element(tag, className, content) {
  const node = document.createElement(tag);
  node.className = className;
  if (content !== undefined) node.append(content);
  return node;
}

function kindOf(value) {
  if (!value) return "none";
  if (value.classes) return "class";
  if (value.stars) return `stars${value.stars}`;
  return value.unsure ? "unsure" : "skipped";
}

function inWords(value) {
  if (!value) return "nothing said";
  if (value.classes) return value.classes.join(" + ");
  if (value.stars) return "★".repeat(value.stars) + "☆".repeat(5 - value.stars);
  return value.unsure ? "unsure" : "skipped";
}

const KEY_NAMES = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  Backspace: "⌫",
  Comma: ",",
  Period: ".",
};

/** How a key of the key table is printed: "s" as S, "KeyJ" as J. */
function keyName(key) {
  const parts = key.split("+").filter(Boolean);
  const last = (parts.pop() ?? "+").replace(/^(Key|Digit|Numpad)(?=.$)/, "");
  return [...parts, KEY_NAMES[last] ?? (last.length === 1 ? last.toUpperCase() : last)].join("+");
}

/** Presses that the kernel has not confirmed, kept by the browser across reloads. */
class Unsaved {
  constructor(record) {
    this.name = `workbench-rater:${record}`;
  }
  all() {
    try {
      return JSON.parse(localStorage.getItem(this.name)) ?? [];
    } catch {
      return [];
    }
  }
  add(press) {
    this.#write([...this.all(), press]);
  }
  remove(entryId) {
    this.#write(this.all().filter((press) => press.entry_id !== entryId));
  }
  #write(presses) {
    if (presses.length) localStorage.setItem(this.name, JSON.stringify(presses));
    else localStorage.removeItem(this.name);
  }
}
