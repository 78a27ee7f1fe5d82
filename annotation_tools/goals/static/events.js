// Events: several in one clip, each with a frame and a label of the user's own set.
//
// A mode of the page with a panel below the video: a button for each label, the events of this clip,
// and a field for a label that is not there yet. The digits mark from anywhere. The set is what the
// server was told, what anybody has used in these videos, and what was typed here.
//
//     const events = new Events({ player, labels, offered, notice });
//     events.open(item, table);
//     events.mark(0); // the first label, in the frame on the screen
//
// Event: "change".

import { element } from "../shared/keys.js";
import { fold, newId } from "../shared/store.js";

const $ = (selector) => document.querySelector(selector);
const MOST_KEYS = 9;
const typedKey = "goals-event-labels";

export class Events extends EventTarget {
  constructor({ player, labels, offered, notice }) {
    super();
    Object.assign(this, { player, labels, notice, item: null, shows: false });
    this.names = [...new Set([...offered, ...JSON.parse(localStorage.getItem(typedKey) ?? "[]")])];
    labels.addEventListener("change", () => this.render());
    const field = $("#new-event");
    field.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && this.#add(field));
  }

  open(item) {
    this.item = item;
    this.render();
  }

  close() {
    this.item = null;
    this.render();
  }

  toggle(shows = !this.shows) {
    this.shows = shows;
    if (shows) this.player.pause();
    this.render();
  }

  // Events of the clip on the screen, by frame: [{id, who, isMe, label, frame}].
  here() {
    if (!this.item) return [];
    const names = [...new Set(this.labels.entries.map((entry) => entry.annotator))];
    return names
      .flatMap((who) => [...this.labels.current(who).values()])
      .filter((entry) => entry.source_id === this.item.media_id)
      .map(({ item_id: id, annotator: who, value: { label, frame } }) => ({ id, who, isMe: who === this.labels.annotator, label, frame }))
      .sort((one, other) => one.frame - other.frame);
  }

  // What others, such as a model, say happens here and this person has not answered yet.
  offered() {
    const answered = new Set(fold(this.labels.mine).done.map((entry) => entry.item_id));
    return this.here().filter(({ id, isMe }) => !isMe && !answered.has(id));
  }

  // Answer what others say: it happens in this frame, or (null) it does not.
  answer({ id, label }, frame) {
    this.labels.append({ kind: "event", item_id: id, source_id: this.item.media_id, value: frame === null ? null : { label, frame } });
    this.notice(frame === null ? `${label}: refused` : `${label} in frame ${frame}: accepted`);
  }

  // The label at a place of the set happens in the frame on the screen; said again, it does not.
  mark(place) {
    const label = this.names[place];
    if (label === undefined) return this.notice(this.names.length ? `there are ${this.names.length} labels` : "no labels of events yet: W opens the field for them");
    const frame = this.player.goal;
    this.player.pause();
    const same = this.here().find((one) => one.isMe && one.label === label && one.frame === frame);
    if (same) return this.#drop(same);
    this.labels.append({ kind: "event", item_id: newId(), source_id: this.item.media_id, value: { label, frame } });
    this.notice(`${label} in frame ${frame}`);
  }

  undo(isRedo) {
    const entry = isRedo ? this.labels.redo() : this.labels.undo();
    if (!entry) return this.notice(isRedo ? "nothing to redo" : "nothing to undo");
    this.notice(`${entry.value?.label ?? "event"}: ${isRedo ? "said again" : "taken back"}`);
  }

  #offer(one) {
    const { who, label, frame } = one;
    const button = (text, title, act, className = "quiet") => {
      const made = element("button", { className, type: "button", title, ariaLabel: `${title}: ${label} in frame ${frame}` }, text);
      made.addEventListener("click", () => (made.blur(), act()));
      return made;
    };
    return element("li", {},
      button(`${label} ${frame}`, `${who} says so; show this frame`, () => (this.player.pause(), this.player.seek(frame))),
      button("✓", "accept", () => this.answer(one, frame)),
      button("here", "it happens in the frame on the screen", () => this.answer(one, this.player.goal)),
      button("×", "refuse", () => this.answer(one, null), "quiet drop"));
  }

  #drop({ id, label, frame }) {
    this.labels.append({ kind: "event", item_id: id, source_id: this.item.media_id, value: null });
    this.notice(`${label} in frame ${frame}: removed`);
  }

  #add(field) {
    const name = field.value.trim();
    field.value = "";
    field.blur();
    if (!name || this.names.includes(name)) return;
    this.names.push(name);
    const typed = JSON.parse(localStorage.getItem(typedKey) ?? "[]");
    localStorage.setItem(typedKey, JSON.stringify([...typed, name]));
    this.render();
  }

  render() {
    $("#events-panel").hidden = !this.shows;
    this.dispatchEvent(new CustomEvent("change"));
    if (!this.shows) return;
    $("#event-labels").replaceChildren(
      ...this.names.map((name, place) => {
        const button = element("button", { type: "button", title: `${name} happens in this frame` }, name);
        if (place < MOST_KEYS) button.append(" ", element("kbd", {}, String(place + 1)));
        button.addEventListener("click", () => (button.blur(), this.mark(place)));
        button.disabled = !this.item;
        return button;
      }),
    );
    const mine = this.here().filter(({ isMe }) => isMe);
    $("#event-list").replaceChildren(
      ...mine.map((one) => {
        const go = element("button", { className: "quiet", type: "button", title: "show this frame" }, `${one.label} ${one.frame}`);
        go.addEventListener("click", () => (go.blur(), this.player.pause(), this.player.seek(one.frame)));
        const drop = element("button", { className: "quiet drop", type: "button", ariaLabel: `Remove ${one.label} in frame ${one.frame}` }, "×");
        drop.addEventListener("click", () => this.#drop(one));
        return element("li", {}, go, drop);
      }),
    );
    $("#event-offers").replaceChildren(...this.offered().map((one) => this.#offer(one)));
    $("#event-hint").textContent = mine.length
      ? `${mine.length} event${mine.length === 1 ? "" : "s"} in this clip.`
      : this.names.length ? "Go to the frame and press the label's digit; again: it is not there." : "Type what you look for, such as kick or save; Enter adds it.";
  }
}
