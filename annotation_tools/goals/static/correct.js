// Correcting a shot by hand: the goal's corners and size, the kick, the foot, the ball, its distance.
//
// Two modes of the page, "goal" and "shot", each with a panel below the video. What is said goes to
// the label database as kinds "corners" and "shot"; which corners count in a clip, its own or those
// of its session, is the server's to say. Knows nothing about verdicts.
//
//     const correct = new Correct({ player, labels: { corners, shot }, notice });
//     correct.open(item, table); // another clip is on the screen
//     correct.toggle("goal");
//
// Event: "mode" (the mode has changed).

import { Pointing, whyNoGoal } from "./pointing.js";

const $ = (selector) => document.querySelector(selector);
const SIZES = [
  ["7.32 x 2.44", "7.32 × 2.44 m, full size"],
  ["6.4 x 2.13", "6.40 × 2.13 m, nine a side"],
  ["5 x 2", "5 × 2 m, youth"],
  ["3.66 x 1.83", "3.66 × 1.83 m, five a side"],
  ["3 x 2", "3 × 2 m, futsal, handball"],
  ["3 x 1", "3 × 1 m, small-sided"],
];
const TO_CLICK = ["foot of the left post", "top of the left post", "top of the right post", "foot of the right post"];

export class Correct extends EventTarget {
  #turn = 0;

  constructor({ player, labels, notice }) {
    super();
    Object.assign(this, { player, labels, notice, mode: null, item: null, table: null });
    this.pointing = new Pointing($("#drawing"), $("#loupe"), $("#player"));
    this.goal = null; // as the server resolves it: {corners_px, frame, goal_wh_m, camera, reason, is_own}
    this.byFrame = null; // the goal frame by frame, where the camera moves
    this.found = null; // what the last run found: {kick_frame, foot, corners_px, goal}
    this.draft = null; // corners that are not four yet
    $("#goal-size").append(...SIZES.map(([value, text]) => new Option(text, value)), new Option("another size …", "other"));
    $("#goal-size").value = localStorage.getItem("goals-size") ?? SIZES[0][0];
    if (!$("#goal-size").value) this.#showSize(localStorage.getItem("goals-size").split(" x ").map(Number));
    $("#goal-size").addEventListener("change", () => this.#resized());
    for (const input of document.querySelectorAll("#other-size input")) input.addEventListener("change", () => this.#resized());
    this.pointing.addEventListener("corners", ({ detail }) => this.#cornersMoved(detail));
    this.pointing.addEventListener("ball", ({ detail }) => this.#placeBall(detail));
    $("#distance").addEventListener("change", () => this.#sayDistance());
    for (const one of Object.values(labels)) one.addEventListener("change", () => this.render());
  }

  // A clip is on the screen.
  open(item, table) {
    Object.assign(this, { item, table, goal: null, byFrame: null, found: null, draft: null });
    this.pointing.setSize(table.info.width, table.info.height);
    this.render();
    if (this.mode) this.#ask();
  }

  close() {
    Object.assign(this, { item: null, table: null, goal: null, byFrame: null, found: null, draft: null });
    this.pointing.show({});
  }

  toggle(mode) {
    this.mode = this.mode === mode ? null : mode;
    this.draft = null;
    if (this.mode && this.table) {
      this.player.pause();
      this.#ask();
    }
    this.render();
    this.dispatchEvent(new CustomEvent("mode"));
  }

  // ---- The goal ---------------------------------------------------------------------------------

  #own() {
    return this.item && this.labels.corners.current().get(this.item.item_id)?.value;
  }

  // The corners to draw in a frame; null where nobody knows.
  #cornersIn(frame) {
    if (this.draft) return this.draft;
    const { goal } = this;
    if (!goal?.corners_px) return null;
    if (goal.camera === "fixed" || goal.frame === frame) return goal.corners_px;
    return this.byFrame?.[frame] ?? null;
  }

  #cornersMoved(points) {
    if (points.length < 4) {
      this.draft = points;
      return this.render();
    }
    const why = whyNoGoal(points);
    if (why) {
      this.draft = points.slice(0, 3);
      this.notice(why, true);
      return this.render();
    }
    this.#sayGoal({ frame: this.player.frame, corners_px: points, goal_wh_m: this.#size() });
  }

  #sayGoal(value) {
    const { item_id, media_id: source_id } = this.item;
    this.labels.corners.append({ kind: "corners", item_id, source_id, value });
    this.#takeOwn();
  }

  // What was just said counts at once; the server is asked for what else there is.
  #takeOwn() {
    const value = this.#own();
    this.draft = this.byFrame = null;
    this.goal = value ? { ...value, camera: this.goal?.camera ?? "unsteady", is_own: true, reason: "" } : null;
    this.render();
    this.#ask();
  }

  #size() {
    const chosen = $("#goal-size").value;
    const sides = chosen === "other" ? [$("#goal-width").value, $("#goal-height").value] : chosen.split(" x ");
    return sides.map(Number);
  }

  #showSize([width, height]) {
    const value = `${width} x ${height}`;
    const isUsual = SIZES.some(([usual]) => usual === value);
    $("#goal-size").value = isUsual ? value : "other";
    if (!isUsual) [$("#goal-width").value, $("#goal-height").value] = [width, height];
    $("#other-size").hidden = isUsual;
  }

  #resized() {
    $("#other-size").hidden = $("#goal-size").value !== "other";
    const size = this.#size();
    if (size.some((side) => !(side > 0.3 && side < 30))) return this.notice("a goal's sides are 0.3 to 30 m", true);
    localStorage.setItem("goals-size", size.join(" x "));
    const { goal } = this;
    if (!goal?.corners_px) return;
    this.#sayGoal({ frame: goal.frame, corners_px: goal.corners_px, goal_wh_m: size });
  }

  // ---- The shot ---------------------------------------------------------------------------------

  #shot() {
    const value = this.item && this.labels.shot.current().get(this.item.item_id)?.value;
    return value ?? { kick_frame: null, foot: null, ball: null, distance_m: null };
  }

  #sayShot(change) {
    const { item_id, media_id: source_id } = this.item;
    const value = { ...this.#shot(), ...change };
    if (value.ball && !value.ball.length) value.ball = null;
    const isEmpty = Object.values(value).every((said) => said === null);
    this.labels.shot.append({ kind: "shot", item_id, source_id, value: isEmpty ? null : value });
  }

  kickHere() {
    const { frame } = this.player;
    this.player.pause();
    this.#sayShot({ kick_frame: this.#shot().kick_frame === frame ? null : frame });
  }

  foot(side) {
    this.#sayShot({ foot: this.#shot().foot === side ? null : side });
  }

  // How far the ball lay from the goal line; a field that was emptied takes it back.
  #sayDistance() {
    const said = $("#distance").value;
    const metres = Number(said);
    if (said && !(metres >= 0.5 && metres <= 90)) return this.notice("a shot is 0.5 to 90 m from the goal line", true);
    this.#sayShot({ distance_m: said ? metres : null });
  }

  #placeBall([x, y]) {
    const { frame } = this.player;
    this.player.pause();
    const rows = (this.#shot().ball ?? []).filter(([at]) => at !== frame);
    this.#sayShot({ ball: [...rows, [frame, x, y]].sort((a, b) => a[0] - b[0]) });
  }

  noBall() {
    this.#placeBall([null, null]);
  }

  // What is shown now is as if nobody had said it: the corners, or the ball in this frame.
  forget() {
    if (!this.mode || !this.item) return;
    if (this.mode === "shot") {
      const rows = (this.#shot().ball ?? []).filter(([at]) => at !== this.player.frame);
      if (rows.length === (this.#shot().ball ?? []).length) return this.notice("nothing was said about the ball in this frame");
      return this.#sayShot({ ball: rows });
    }
    if (this.draft) {
      this.draft = null;
      return this.render();
    }
    if (this.#own()) return this.#sayGoal(null);
    this.notice(this.goal?.corners_px ? "these corners are of another clip: drag one to correct them here" : "there are no corners");
  }

  toKick() {
    const frame = this.#shot().kick_frame ?? this.found?.kick_frame ?? null;
    if (frame === null) return this.notice("no kick is known here");
    this.player.pause();
    return this.player.seek(frame);
  }

  undo(isRedo) {
    const labels = this.mode === "goal" ? this.labels.corners : this.labels.shot;
    const entry = isRedo ? labels.redo() : labels.undo();
    if (!entry) return this.notice(isRedo ? "nothing to redo" : "nothing to undo");
    if (entry.item_id !== this.item?.item_id) this.notice(`${entry.item_id}: ${isRedo ? "said again" : "taken back"}`);
    this.#takeOwn();
  }

  // ---- What others know -------------------------------------------------------------------------

  // Ask the server which goal counts here, and what the last run found.
  async #ask() {
    const turn = ++this.#turn;
    const { item } = this;
    await Promise.all(Object.values(this.labels).map((one) => one.settled()));
    const query = `item_id=${encodeURIComponent(item.item_id)}`;
    const asked = await Promise.all(
      ["goal", "found"].map((name) => fetch(`api/${name}?${query}`).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null)),
    );
    if (turn !== this.#turn || item !== this.item) return;
    [this.goal, this.found] = asked;
    // Not while somebody is typing a size.
    const isTyping = $("#goal-panel").contains(document.activeElement) && document.activeElement.matches("input, select");
    if (this.goal?.goal_wh_m && !this.draft && !isTyping) this.#showSize(this.goal.goal_wh_m);
    this.render();
    if (this.goal?.camera !== "steadied" || !this.goal.corners_px || this.mode !== "goal") return;
    const followed = await fetch(`api/goal/frames?${query}`).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
    if (turn !== this.#turn || item !== this.item) return;
    this.byFrame = followed?.frames ?? [];
    this.render();
  }

  // ---- Showing ----------------------------------------------------------------------------------

  render() {
    const { mode } = this;
    $("#goal-panel").hidden = mode !== "goal";
    $("#shot-panel").hidden = mode !== "shot";
    if (!this.item || !mode) return this.pointing.show({});
    const corners = this.#cornersIn(this.player.frame);
    if (mode === "goal") {
      const others = !corners && this.found?.corners_px ? [{ corners: this.found.corners_px, title: "found by the last run" }] : [];
      // Corners that are known here, yet not in this frame, are not clicked anew by mistake.
      const isElsewhere = Boolean(this.goal?.corners_px) && !corners;
      this.pointing.show({ corners: corners ?? [], others, isEditing: true, takes: isElsewhere ? "" : "corners" });
      $("#goal-hint").textContent = this.#goalHint(corners, isElsewhere, others.length > 0);
    } else {
      const shot = this.#shot();
      const here = (shot.ball ?? []).find(([frame]) => frame === this.player.frame);
      this.pointing.show({ corners: corners ?? [], ball: here?.[1] != null ? here.slice(1) : null, takes: "ball" });
      this.#showShot(shot, here);
    }
  }

  #goalHint(corners, isElsewhere, isFound) {
    const { goal } = this;
    if (this.draft) return `Click the ${TO_CLICK[this.draft.length]} (${this.draft.length} of 4).`;
    if (isElsewhere && goal.camera === "steadied" && !this.byFrame) return "Following the camera from frame to frame …";
    if (isElsewhere) return `Clicked in frame ${goal.frame}; where the goal is in this frame is not known.`;
    if (corners) {
      const whose = goal.is_own ? "Serves all clips of the session that show this view." : goal.reason;
      return `${whose} Play to check; drag a corner to correct it.`;
    }
    const why = goal?.reason ? `${goal.reason} ` : "";
    return `${why}Click the four inner corners of the goal, first the ${TO_CLICK[0]}.${isFound ? " Dashed: found by the last run." : ""}`;
  }

  #showShot(shot, here) {
    const { frame } = this.player;
    const found = this.found ?? {};
    const guess = (known, said) => (known === null && said != null ? ` (run: ${said})` : "");
    $("#kick-text").textContent = shot.kick_frame === null ? `Kick is here${guess(null, found.kick_frame)}` : shot.kick_frame === frame ? "Kick: this frame" : `Kick: frame ${shot.kick_frame}`;
    $("#kick").classList.toggle("on", shot.kick_frame !== null);
    for (const side of ["left", "right"]) {
      const button = $(`#${side}-foot`);
      button.classList.toggle("on", shot.foot === side);
      button.setAttribute("aria-pressed", String(shot.foot === side));
    }
    if (document.activeElement !== $("#distance")) $("#distance").value = shot.distance_m ?? "";
    $("#no-ball").classList.toggle("on", Boolean(here) && here[1] === null);
    const placed = (shot.ball ?? []).length;
    const run = found.foot ? ` The run says ${found.foot} foot.` : "";
    const ball = here ? (here[1] === null ? "No ball in this frame." : "The ball is placed in this frame.") : "Click the ball where the analysis lost it.";
    $("#shot-hint").textContent = `${ball}${placed ? ` Placed in ${placed} frame${placed === 1 ? "" : "s"}.` : ""}${shot.foot ? "" : run}`;
  }
}
