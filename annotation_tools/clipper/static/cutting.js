// The cuts of the open video: what stands, the one that is chosen, the next one's IN and OUT, and what
// is done to them. Every change is a label. Frames are counted from 0; a cut is [start, end).
//
// Events: "change" (something is to be drawn anew), "chosen" (detail: the cut, or null).

import { newId } from "../shared/store.js";

const NAMED = /^cut (\d+)$/;

export class Cutting extends EventTarget {
  constructor({ labels, player, sports, imageUrl, notice }) {
    super();
    Object.assign(this, { labels, player, sports, imageUrl, notice, table: null });
    this.close();
  }

  close() {
    Object.assign(this, { table: null, chosen: null, lastPushed: null, draft: { start: null, end: null }, moved: null });
  }

  open(table, draft) {
    this.table = table;
    if (draft) this.draft = draft;
  }

  all() {
    if (!this.table) return [];
    const standing = [...this.labels.current().values()].filter((entry) => entry.value);
    return standing
      .map(({ item_id: id, value }) => {
        const range = this.moved?.id === id ? this.moved : { start: value.start_frame, end: value.end_frame };
        return {
          id, start: range.start, end: range.end, name: value.name, sport: value.sport ?? null,
          startS: this.table.startS(range.start),
          endS: this.table.startS(range.end),
          image: this.imageUrl(Math.min(this.table.count - 1, value.start_frame)),
        };
      })
      .sort((one, other) => one.start - other.start || one.end - other.end);
  }

  find(id) {
    return this.all().find((cut) => cut.id === id);
  }

  // The cut that keys without a mouse mean: the chosen one, else the one kept last.
  meant() {
    return this.find(this.chosen) ?? this.find(this.lastPushed) ?? this.all().at(-1);
  }

  // IN and OUT as [start, end), where both are there and in order; else null.
  range() {
    const { start, end } = this.find(this.chosen) ?? this.draft;
    return start !== null && end !== null && start < end ? [start, end] : null;
  }

  // Why IN and OUT are no cut yet; empty if they are.
  whyNot() {
    const { start, end } = this.draft;
    if (start === null) return "mark the first frame with I";
    if (end === null) return "mark the last frame with O";
    return start < end ? "" : `OUT (frame ${end - 1}) is before IN (frame ${start}): move one of them`;
  }

  push() {
    if (this.chosen) return this.choose(null);
    const why = this.whyNot();
    if (why) return this.notice(why, true);
    const { start, end } = this.draft;
    this.#say(newId(), { start, end, name: this.#nextName(), sport: this.all().at(-1)?.sport ?? null });
    this.setDraft({ start: null, end: null });
    if (this.player.loopRange) this.player.loop(null);
  }

  // Several cuts at once: [[start, end)], and the sport of those of which it is known.
  pushAll(ranges, sports = new Map()) {
    const usual = this.all().at(-1)?.sport ?? null;
    for (const range of ranges) {
      const [start, end] = range;
      this.#say(newId(), { start, end, name: this.#nextName(), sport: sports.get(range) ?? usual });
    }
  }

  change(id, changes) {
    const cut = this.find(id);
    if (!cut) return;
    const changed = { ...cut, ...changes };
    if (["start", "end", "name", "sport"].some((field) => changed[field] !== cut[field])) this.#say(id, changed);
  }

  drop(id) {
    const cut = this.find(id);
    if (!cut) return;
    if (this.chosen === id) this.choose(null);
    this.labels.append({ kind: "cut", item_id: id, value: null });
    this.notice(`“${cut.name}” dropped; undo brings it back`);
  }

  // Set "start" or "end" to the frame on the screen; OUT is the last frame that is in.
  mark(which) {
    const frame = this.player.goal;
    this.#move(this.chosen, which, which === "start" ? frame : frame + 1);
  }

  // An edge was dragged; `isDone` when it is let go.
  drag({ id, which, frame, isDone }) {
    const place = which === "start" ? frame : frame + 1;
    if (!id) return this.#move(null, which, place);
    const entry = this.labels.current().get(id)?.value;
    if (!entry) return;
    const range = { id, start: entry.start_frame, end: entry.end_frame, [which]: place };
    if (which === "start") range.start = Math.min(range.start, range.end - 1);
    else range.end = Math.max(range.end, range.start + 1);
    this.moved = isDone ? null : range;
    if (isDone && (range.start !== entry.start_frame || range.end !== entry.end_frame))
      this.#say(id, { start: range.start, end: range.end, name: entry.name, sport: entry.sport ?? null });
    this.#changed();
  }

  setSport(sport) {
    const cut = this.meant();
    if (!cut) return this.notice("there is no cut yet");
    this.change(cut.id, { sport: cut.sport === sport ? null : sport });
    this.notice(cut.sport === sport ? `“${cut.name}” shows nothing named` : `“${cut.name}” shows ${sport}`);
  }

  choose(id, { go = true } = {}) {
    this.chosen = id;
    const cut = id && this.find(id);
    if (this.player.loopRange) this.player.loop(null);
    if (cut && go) this.player.seek(cut.start);
    this.#changed();
  }

  chooseBeside(direction) {
    const all = this.all();
    if (!all.length) return;
    const place = all.findIndex((cut) => cut.id === this.chosen);
    const here = this.player.goal;
    let next;
    if (place >= 0) next = all[Math.max(0, Math.min(all.length - 1, place + direction))];
    else if (direction > 0) next = all.find((cut) => cut.start >= here) ?? all.at(-1);
    else next = all.findLast((cut) => cut.start <= here) ?? all[0];
    this.choose(next.id);
  }

  toEdge(direction) {
    const edges = [...this.all(), this.draft].flatMap(({ start, end }) => [start, end === null ? null : end - 1]);
    const sorted = [...new Set([0, this.table.count - 1, ...edges.filter((edge) => edge !== null)])].sort((a, b) => a - b);
    const here = this.player.goal;
    const edge = direction > 0 ? sorted.find((one) => one > here) : sorted.findLast((one) => one < here);
    if (edge !== undefined) this.player.seek(edge);
  }

  toMark(which) {
    const range = this.find(this.chosen) ?? this.draft;
    const frame = which === "start" ? range.start : range.end === null ? null : range.end - 1;
    if (frame === null) this.notice(which === "start" ? "there is no IN yet" : "there is no OUT yet");
    else this.player.seek(frame);
  }

  undo(isRedo) {
    const entry = isRedo ? this.labels.redo() : this.labels.undo();
    if (!entry) return this.notice(isRedo ? "nothing to redo" : "nothing to undo");
    if (this.chosen && !this.find(this.chosen)) this.chosen = null;
    this.#changed();
  }

  setDraft(draft) {
    this.draft = draft;
    this.#changed();
  }

  #move(id, which, place) {
    if (!id) {
      this.setDraft({ ...this.draft, [which]: place });
      const { start, end } = this.draft;
      if (start !== null && end !== null && start >= end) this.notice(this.whyNot(), true);
    } else {
      const range = { ...this.find(id), [which]: place };
      if (range.start >= range.end) return this.notice("a cut ends after it begins: move its other end first", true);
      this.change(id, { start: range.start, end: range.end });
    }
    if (this.player.loopRange) this.player.loopRange = this.range();
  }

  #nextName() {
    return `cut ${1 + Math.max(0, ...this.all().map((cut) => Number(NAMED.exec(cut.name)?.[1] ?? 0)))}`;
  }

  #say(id, { start, end, name, sport }) {
    const { table } = this;
    this.lastPushed = id;
    this.labels.append({
      kind: "cut",
      item_id: id,
      value: {
        start_frame: start, end_frame: end,
        start_pts: table.pts[start], end_pts: end < table.count ? table.pts[end] : table.endPts,
        name, sport,
      },
    });
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
