// Cuts that the tool proposes: takes between hard cuts, stretches with sound, or highlights. They are
// drawn on the timeline; Enter keeps the one under the playhead, the dialog keeps all.
//
// Event: "change".

const $ = (selector) => document.querySelector(selector);

export class Proposals extends EventTarget {
  #turn = 0;

  constructor({ cutting, notice, view }) {
    super();
    Object.assign(this, { cutting, notice, view, ranges: [], sports: new Map() });
    this.dialog = $("#propose-dialog");
    this.dialog.querySelector("[value=close]").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    $("#look").addEventListener("click", () => this.#look());
    $("#keep-all").addEventListener("click", () => (this.keepAll(), this.dialog.close()));
    for (const input of this.dialog.querySelectorAll("input"))
      input.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), this.#look()));
  }

  open() {
    this.#show("");
    this.dialog.showModal();
    $("#look").focus();
  }

  clear() {
    this.#turn++;
    this.ranges = [];
    this.#show("");
    this.dispatchEvent(new CustomEvent("change"));
  }

  // The proposal that a frame lies in, or undefined.
  at(frame) {
    return this.ranges.find(([start, end]) => start <= frame && frame < end);
  }

  keep(range) {
    this.cutting.pushAll([range], this.sports);
    this.ranges = this.ranges.filter((one) => one !== range);
    this.dispatchEvent(new CustomEvent("change"));
  }

  keepAll() {
    this.cutting.pushAll(this.ranges, this.sports);
    this.notice(`${this.ranges.length} cuts kept`);
    this.clear();
  }

  async #look() {
    const turn = ++this.#turn;
    const by = this.dialog.querySelector("[name=by]:checked").value;
    const { mediaId, start, end } = this.view();
    const query = new URLSearchParams({ by, start, end, least_s: $("#least").value, quiet_db: $("#quiet").value });
    this.#show("Looking …");
    $("#look").disabled = true;
    const answer = await fetch(`api/media/${mediaId}/proposals?${query}`).catch(() => null);
    const content = await answer?.json().catch(() => null);
    $("#look").disabled = false;
    if (turn !== this.#turn) return;
    if (!answer?.ok) return this.#show(content ? `${content.problem}: ${content.remedy}` : "the server cannot be reached");
    this.ranges = content.ranges;
    this.sports = new Map(content.ranges.map((range, place) => [range, content.sports?.[place]]));
    const what = { scenes: "takes between hard cuts", sound: "stretches with sound", highlights: "highlights" }[by];
    this.#show(this.ranges.length ? `${this.ranges.length} ${what}; they are drawn on the timeline.` : content.why);
    this.dispatchEvent(new CustomEvent("change"));
    if (this.ranges.length) $("#keep-all").focus();
  }

  #show(text) {
    $("#proposed").textContent = text;
    $("#keep-all").disabled = !this.ranges.length;
    $("#keep-all").firstChild.textContent = this.ranges.length ? `Keep all ${this.ranges.length} ` : "Keep all ";
  }
}
