// What the page shows: the list's signs, the buttons, the marks on the track, the frame and its time.
// Reads the state and the labels; changes neither.

import { drawOpinions } from "./review.js";
import { compare } from "./opinions.js";
import { timeLeft } from "./verdicts.js";

const $ = (selector) => document.querySelector(selector);
const press = (selector, isOn) => {
  $(selector).classList.toggle("on", isOn);
  $(selector).setAttribute("aria-pressed", String(isOn));
};

export class Screen {
  constructor(parts) {
    Object.assign(this, parts);
    this.player.addEventListener("frame", () => this.showFrame());
    this.player.addEventListener("state", () => this.showState());
    const track = $("#track");
    const seek = (event) => this.#seek(event, track);
    track.addEventListener("pointerdown", (event) => (track.setPointerCapture(event.pointerId), seek(event)));
    track.addEventListener("pointermove", (event) => track.hasPointerCapture(event.pointerId) && seek(event));
  }

  get item() {
    return this.items[this.state.place];
  }

  trouble(text) {
    $("#trouble").textContent = text;
    $("#trouble").hidden = !text;
  }

  render() {
    if (this.state.place < 0) return;
    const { state, opinions, correct, events } = this;
    const people = opinions.isOn ? opinions.everybody() : [];
    this.#showList(people);
    $("#clip").textContent = this.item.shown === `clip ${state.place + 1}` ? this.item.shown : `${state.place + 1} · ${this.item.shown}`;
    const value = this.valueOf(state.place);
    for (const button of document.querySelectorAll("[data-verdict]")) {
      const isOn = value?.verdict === button.dataset.verdict;
      button.classList.toggle("on", isOn);
      button.setAttribute("aria-pressed", String(isOn));
      button.disabled = !state.table;
    }
    const event = this.eventFrame();
    $("#mark").disabled = !state.table;
    $("#mark").classList.toggle("on", event !== null);
    const said = correct.mode === "goal" ? this.clicked.corners : correct.mode === "shot" ? this.clicked.shot : events.shows ? this.happened : state.lastSaid;
    $("#undo").disabled = !said.canUndo;
    $("#redo").disabled = !said.canRedo;
    for (const [button, isOn] of [["#corners", correct.mode === "goal"], ["#shot", correct.mode === "shot"], ["#events", events.shows]]) {
      press(button, isOn);
      $(button).disabled = !state.table;
    }
    $("#verdicts").hidden = correct.mode !== null || events.shows;
    press("#go-on", state.goesOn);
    press("#review", opinions.isOn);
    $("#next-disagreement").hidden = !opinions.isOn;
    document.body.classList.toggle("reviewing", opinions.isOn);
    const here = opinions.isOn ? opinions.of(this.item.item_id, people) : [];
    $("#opinions").hidden = !opinions.isOn;
    if (opinions.isOn) {
      drawOpinions($("#opinions"), here, opinions.lastWord(this.item.item_id), opinions.tolerance, {
        goToFrame: (frame) => (this.player.pause(), this.player.seek(frame)),
        settle: this.settleAs,
        take: ({ verdict, eventFrame }) => this.settle(verdict, eventFrame),
        reopen: () => this.settle(null),
      });
    }
    this.#showMarks(event, here);
    this.#showMarkText();
  }

  #showList(people) {
    const { items, labels, opinions, state } = this;
    const current = labels.current();
    const mineClicked = Object.values(this.clicked).map((one) => one.current());
    const states = items.map(({ item_id }) => {
      const stand = opinions.isOn ? compare(opinions.of(item_id, people), opinions.tolerance) : "";
      const differ = opinions.isOn && opinions.lastWord(item_id) ? "=" : stand === "differ" || stand === "apart" ? "≠" : "";
      const clicked = state.clicked.has(item_id) || mineClicked.some((one) => one.has(item_id));
      return { verdict: current.get(item_id)?.value?.verdict, differ, clicked };
    });
    this.list.show(states, state.place);
    const done = states.filter(({ verdict }) => verdict).length;
    $("#done").textContent = `${done} of ${items.length} labelled`;
    $("#progress").value = items.length ? done / items.length : 0;
    $("#pace").textContent = timeLeft(labels.mine, items.length - done) ?? "";
  }

  #showMarks(event, others) {
    const { table } = this.state;
    const made = [];
    if (table) {
      for (const { isMe, eventFrame: frame, who } of others)
        if (!isMe && frame !== null) made.push(this.#mark(frame, "other", `${who}: frame ${frame}`));
      for (const { isMe, who, label, frame } of this.events.here())
        made.push(this.#mark(frame, isMe ? "event" : "event other", `${isMe ? "" : `${who}: `}${label}, frame ${frame}`));
      if (event !== null) made.push(this.#mark(event, "mine", `your event: frame ${event}`));
    }
    $("#track .marks").replaceChildren(...made);
  }

  #mark(frame, className, title) {
    const { table } = this.state;
    const made = Object.assign(document.createElement("i"), { className, title });
    made.style.left = `${(100 * table.middleS(table.clamp(frame))) / table.durationS}%`;
    return made;
  }

  #showMarkText() {
    const event = this.eventFrame();
    const text = event === null ? "Event is here" : event === this.player.frame ? `Event: this frame` : `Event: frame ${event}`;
    $("#mark-text").textContent = text;
  }

  showFrame() {
    const { player } = this;
    const { table } = this.state;
    if (!table) return;
    $("#time").value = table.timecode(player.frame);
    $("#frame").value = `frame ${player.frame}`;
    $("#frame").classList.toggle("inferred", !player.isConfirmed);
    $("#pts").textContent = `PTS ${table.pts[player.frame]}`;
    $("#on-stage").textContent = `frame ${player.frame} · ${table.timecode(player.frame)}`;
    const share = `${(100 * table.middleS(player.frame)) / table.durationS}%`;
    $("#track .head").style.left = share;
    $("#track .played").style.width = share;
    $("#track").setAttribute("aria-valuemax", String(table.count - 1));
    $("#track").setAttribute("aria-valuenow", String(player.frame));
    this.#showMarkText();
    this.correct.render();
  }

  showState() {
    const { player } = this;
    document.body.classList.toggle("playing", player.isPlaying);
    $("#speed").textContent = player.isReversing ? "backwards" : player.speed === 1 ? "" : `${player.speed}×`;
  }

  #seek(event, track) {
    const { table } = this.state;
    if (!table) return;
    const { left, width } = track.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
    this.player.pause();
    this.player.seek(table.frameAt(share * table.durationS));
  }
}
