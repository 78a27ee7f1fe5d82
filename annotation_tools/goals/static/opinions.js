// Who says what about which clip: everybody's verdicts and events, a model's, the last words, and the
// queue of clips that wait for one. Others are not even asked for until review is on.
//
// An opinion: {who, isMe, isModel, verdict, eventFrame, score}. A model's "unsure" is an abstention: it
// agrees with nobody and contradicts nobody.

import { fetchJson } from "../shared/page.js";

export class Opinions {
  #seen = new Set(); // clips of the queue that were shown since review began

  constructor({ labels, settled, tolerance }) {
    Object.assign(this, { labels, settled, tolerance, isOn: false });
    this.model = { model: null, verdicts: {}, unknown: [] };
  }

  // Read one's own labels, or everybody's.
  async load() {
    const scope = { kind: "verdict" };
    const mine = { ...scope, annotator: this.labels.annotator };
    await Promise.all([
      this.labels.load(this.isOn ? scope : mine),
      this.settled.load({ kind: "settled_verdict", annotator: this.isOn ? null : this.labels.annotator }),
    ]);
  }

  async toggle() {
    this.isOn = !this.isOn;
    this.#seen.clear();
    await this.load();
    if (this.isOn) this.model = await fetchJson("api/model");
  }

  // Everybody who has said something, oneself first: [[name, Map item → entry]].
  everybody() {
    const names = [...new Set(this.labels.entries.map((entry) => entry.annotator))].sort();
    const me = this.labels.annotator;
    return [me, ...names.filter((name) => name !== me)].map((name) => [name, this.labels.current(name)]);
  }

  of(item_id, people = this.everybody()) {
    const said = people.flatMap(([who, current]) => {
      const value = current.get(item_id)?.value;
      if (!value) return [];
      return [{ who, isMe: who === this.labels.annotator, verdict: value.verdict, eventFrame: value.event_frame }];
    });
    const guess = this.model.verdicts[item_id];
    if (!guess) return said;
    const { verdict, event_frame: eventFrame, score } = guess;
    return [...said, { who: this.model.model, isModel: true, verdict, eventFrame, score }];
  }

  // The last word on a clip: {who, verdict, event_frame}; of several adjudicators, the newest.
  lastWord(item_id) {
    const words = [...new Set(this.settled.entries.map((entry) => entry.annotator))]
      .map((name) => this.settled.current(name).get(item_id))
      .filter(Boolean)
      .sort((one, other) => (one.created_at < other.created_at ? -1 : 1));
    const last = words.at(-1);
    return last ? { who: last.annotator, ...last.value } : null;
  }

  // The frame of the event that those who give a verdict agree on; null where they do not.
  agreedFrame(item_id, verdict) {
    const frames = this.of(item_id)
      .filter((one) => !one.isModel && one.verdict === verdict && one.eventFrame !== null)
      .map((one) => one.eventFrame)
      .sort((one, other) => one - other);
    if (!frames.length || frames.at(-1) - frames[0] > this.tolerance) return null;
    return frames[Math.floor((frames.length - 1) / 2)];
  }

  // The next clip that waits for a last word: the worst first, each once before any comes again; the one
  // that is on the screen, `here`, has been seen. Returns {item_id, why, place, count}, or null.
  async next(here) {
    await Promise.all([this.labels.settled(), this.settled.settled()]);
    const queue = await fetchJson("api/disagreements");
    await this.load();
    if (!queue.length) return null;
    const unseen = () => queue.findIndex(({ item_id }) => !this.#seen.has(item_id));
    if (queue[unseen()]?.item_id === here) this.#seen.add(here);
    if (unseen() < 0) this.#seen = new Set(queue.length > 1 ? [here] : []);
    const place = unseen();
    this.#seen.add(queue[place].item_id);
    return { ...queue[place], place, count: queue.length };
  }
}

// How opinions stand to each other: "", "differ" (in the verdict), "apart" (in the frame), "agree".
export function compare(opinions, tolerance) {
  const sure = opinions.filter(({ isModel, verdict }) => !(isModel && verdict === "unsure"));
  if (new Set(sure.map(({ verdict }) => verdict)).size > 1) return "differ";
  const frames = sure.filter(({ isModel, eventFrame }) => !isModel && eventFrame !== null).map((one) => one.eventFrame);
  if (Math.max(...frames) - Math.min(...frames) > tolerance) return "apart";
  return sure.length > 1 ? "agree" : "";
}
