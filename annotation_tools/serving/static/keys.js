// Keys: which key does what, buttons that do the same, and the help that `?` opens.
//
// The table comes from api/keys: {action: {keys, help, group}}. A key is a character ("y", "?")
// where the letter counts, or KeyboardEvent.code ("KeyJ", "Comma") where the place on the keyboard
// counts; "Shift+" and "Mod+" (Ctrl or Cmd) may stand before it. Alt is left to the browser, and so
// is everything typed into a field.
//
//     const keys = new Keys(await Keys.load(), { step: (event) => player.step(1) });
//     keys.wire(document); // <button data-action="step"> does the same and shows its key

const NAMES = {
  Space: "Space", Comma: ",", Period: ".", Slash: "/", Semicolon: ";", Quote: "'", Minus: "−", Equal: "=",
  BracketLeft: "[", BracketRight: "]", Backslash: "\\", Backquote: "`", Enter: "Enter", Escape: "Esc",
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Backspace: "⌫", Delete: "Del", Tab: "Tab",
  PageUp: "PgUp", PageDown: "PgDn", Home: "Home", End: "End",
};
const IS_MAC = /mac|iphone|ipad/i.test(navigator.platform);

export class Keys {
  static async load() {
    const answer = await fetch("api/keys");
    if (!answer.ok) throw new Error("the keys cannot be read: reload the page");
    return answer.json();
  }

  constructor(table, actions) {
    this.table = table;
    this.actions = actions;
    this.isOff = false; // while something else has the keyboard
    this.byKey = new Map();
    for (const [action, { keys }] of Object.entries(table))
      for (const key of keys) this.byKey.set(key, action);
    document.addEventListener("keydown", (event) => this.#press(event));
    // Keys that go elsewhere must not be typed blindly: the page says when it does not hear them.
    const notice = () => document.body.classList.toggle("keys-away", !document.hasFocus());
    addEventListener("focus", notice);
    addEventListener("blur", () => setTimeout(notice, 100));
  }

  // Let every [data-action] below `root` do its action, and say its key in the tooltip.
  wire(root) {
    for (const button of root.querySelectorAll("[data-action]")) {
      const action = button.dataset.action;
      const row = this.table[action];
      if (row) {
        const shown = row.keys.map(keyName).join(" or ");
        button.title = shown ? `${row.help} (${shown})` : row.help;
        button.setAttribute("aria-keyshortcuts", row.keys.map(keyName).join(" "));
        const hint = button.querySelector("kbd");
        if (hint) hint.textContent = row.keys.length ? keyName(row.keys[0]) : "";
      }
      button.addEventListener("click", (event) => {
        this.run(action, event);
        // A button clicked by mouse would keep the keyboard: Space would press it again.
        if (event.detail > 0) button.blur();
      });
    }
  }

  run(action, event) {
    if (action === "help" && !this.actions.help) return this.help();
    return this.actions[action]?.(event);
  }

  help() {
    const open = document.querySelector("dialog.keys-help");
    if (open) return open.close();
    const dialog = document.createElement("dialog");
    dialog.className = "keys-help";
    const groups = new Map();
    for (const [action, row] of Object.entries(this.table)) {
      if (!row.keys.length) continue;
      const group = row.group ?? "Keys";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push([action, row]);
    }
    const head = element("header", {}, element("h2", {}, "Keys"), closer(dialog));
    const body = element("div", { className: "keys-groups" });
    for (const [name, rows] of groups) {
      const list = element("dl");
      for (const [, row] of rows)
        list.append(
          element("dt", {}, ...row.keys.map((key) => element("kbd", {}, keyName(key)))),
          element("dd", {}, row.help),
        );
      body.append(element("section", {}, element("h3", {}, name), list));
    }
    dialog.append(head, body);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
  }

  #press(event) {
    if (event.isComposing || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const dialog = document.querySelector("dialog[open]");
    if (dialog) {
      if (this.#find(event) === "help" && dialog.matches(".keys-help")) {
        event.preventDefault();
        dialog.close();
      }
      return;
    }
    if (this.isOff) return;
    const isOnButton = event.target.closest?.("button, a[href], summary, select");
    if (isOnButton && (event.key === " " || event.key === "Enter")) return;
    const action = this.#find(event);
    if (action === undefined) return;
    event.preventDefault();
    if (event.repeat && this.table[action].once) return;
    this.run(action, event);
  }

  #find(event) {
    const mod = event.ctrlKey || event.metaKey ? "Mod+" : "";
    const shift = event.shiftKey ? "Shift+" : "";
    const typed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // By place first; then by character, where Shift is part of typing it ("?").
    return (
      this.byKey.get(mod + shift + event.code) ??
      this.byKey.get(mod + shift + typed) ??
      (/[a-z0-9]/i.test(typed) ? undefined : this.byKey.get(mod + typed))
    );
  }
}

export function keyName(key) {
  const parts = key.split(/\+(?=.)/);
  const name = parts.pop();
  const shown = NAMES[name] ?? name.replace(/^(Key|Digit)/, "").replace(/^Numpad/, "Num ");
  const before = parts.map((part) => (part === "Mod" ? (IS_MAC ? "⌘" : "Ctrl") : IS_MAC ? "⇧" : "Shift"));
  return [...before, shown.length === 1 ? shown.toUpperCase() : shown].join(" ");
}

// An element with properties and children; text stays text, whatever it holds.
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function closer(dialog) {
  const button = element("button", { className: "quiet", ariaLabel: "Close" }, "×");
  button.addEventListener("click", () => dialog.close());
  return button;
}

function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.tagName === "TEXTAREA") return true;
  return target.tagName === "INPUT" && !/^(button|checkbox|radio|range)$/.test(target.type);
}
