// The export dialog: how, how far, and what each clip really holds. The server does the work, and
// goes on when the page is closed.

import { element } from "../shared/keys.js";

const POLL_MS = 400;

export class Exports extends EventTarget {
  constructor({ annotator, sourceId, notice, framesToText }) {
    super();
    Object.assign(this, { annotator, sourceId, notice, framesToText });
    this.made = new Map(); // id → {mode: file}
    this.dialog = document.querySelector("#export-dialog");
    this.dialog.querySelector("[value=close]").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    document.querySelector("#start").addEventListener("click", () => this.#start());
    // Enter exports, wherever in the dialog one is: the button beside the title would close it.
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.closest("button:not(#start)")) return;
      event.preventDefault();
      if (!document.querySelector("#start").disabled) this.#start();
    });
    document.querySelector("#stop").addEventListener("click", () => post("api/exports/stop", {}));
    this.refresh();
  }

  open(hasSeveralVideos) {
    this.dialog.querySelector(".all").hidden = !hasSeveralVideos;
    if (!this.dialog.open) this.dialog.showModal();
    document.querySelector("#start").focus();
  }

  async refresh() {
    clearTimeout(this.timer);
    const answer = await fetch("api/exports").catch(() => null);
    if (!answer?.ok) return void (this.timer = setTimeout(() => this.refresh(), 3000));
    const job = await answer.json();
    this.made = new Map(Object.entries(job.exported));
    this.#show(job);
    this.dispatchEvent(new CustomEvent("change"));
    if (job.state === "running") this.timer = setTimeout(() => this.refresh(), POLL_MS);
    else if (this.wasRunning) this.#finished(job);
    this.wasRunning = job.state === "running";
  }

  async #start() {
    const mode = this.dialog.querySelector("[name=mode]:checked").value;
    const all = document.querySelector("#all-videos").checked;
    const answer = await post("api/exports", { mode, source_id: all ? null : this.sourceId(), annotator: this.annotator() });
    const content = await answer?.json().catch(() => null);
    if (!answer?.ok) {
      this.dialog.close();
      return this.notice(content ? `${content.problem}: ${content.remedy}` : "the server cannot be reached", true);
    }
    this.wasRunning = true;
    this.#show(content);
    this.refresh();
  }

  #finished(job) {
    const count = (state) => job.rows.filter((row) => row.state === state).length;
    const parts = [`${count("done")} exported`];
    if (count("kept")) parts.push(`${count("kept")} were there`);
    if (count("failed")) parts.push(`${count("failed")} failed`);
    if (count("waiting")) parts.push(`${count("waiting")} left: export again to go on`);
    this.notice(parts.join(", "), count("failed") > 0);
  }

  #show(job) {
    const isRunning = job.state === "running";
    document.querySelector("#folder").textContent = job.folder;
    document.querySelector("#running").hidden = !isRunning;
    document.querySelector("#stop").hidden = !isRunning;
    document.querySelector("#start").disabled = isRunning;
    const done = job.rows.filter((row) => !["waiting", "working"].includes(row.state)).length;
    document.querySelector("#bar").value = job.frame_count ? job.frames_done / job.frame_count : 0;
    document.querySelector("#bar-text").textContent = `${done} of ${job.rows.length} clips`;
    const table = document.querySelector("#rows");
    table.hidden = job.state === "idle";
    table.tBodies[0].replaceChildren(...job.rows.map((row) => this.#row(row)));
  }

  #row(row) {
    const states = { waiting: "waits", working: "at work …", done: "✓ exported", kept: "✓ was there", failed: row.problem };
    const early = row.real ? row.asked[0] - row.real[0] : null;
    return element("tr", {},
      element("td", {}, row.name),
      element("td", {}, this.framesToText(row.asked)),
      element("td", {}, row.real ? this.framesToText(row.real) : ""),
      element("td", {}, early === null ? "" : early ? `${early} frames, ${row.start_off_s.toFixed(2)} s` : "–"),
      element("td", {}, row.real ? `${row.lossless} of ${row.real[1] - row.real[0]}` : ""),
      element("td", { className: row.state === "failed" ? "bad" : /done|kept/.test(row.state) ? "good" : "", title: row.file ?? "" }, states[row.state] ?? row.state));
  }
}

function post(url, body) {
  return fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }).catch(() => null);
}
