// The clipper: a long video, a stack of cuts, an export. This file connects the parts: player,
// timeline, cuts, proposals, keys and the label database.

import { Keys, element } from "../shared/keys.js";
import { annotatorOf, fetchJson, goDialog, nameField, notice, playing, watchSaved } from "../shared/page.js";
import { FrameTable, Player, timecode } from "../shared/player.js";
import { Labels } from "../shared/store.js";
import { CutList, nameColours, sportColour } from "./cuts.js";
import { Cutting } from "./cutting.js";
import { Exports } from "./export.js";
import { Proposals } from "./proposals.js";
import { Timeline } from "./timeline.js";

const $ = (selector) => document.querySelector(selector);

const [session, media, keyTable] = await Promise.all([fetchJson("api/session"), fetchJson("api/media"), Keys.load()]);
const labels = new Labels({ annotator: annotatorOf(session) });
const player = new Player($("#player"));
const state = { mediaId: null, table: null };

const imageUrl = (frame, width = 160) => `api/media/${state.mediaId}/image?frame=${frame}&width=${width}`;
const cutting = new Cutting({ labels, player, sports: session.sports, imageUrl, notice });
nameColours(session.colours);
const list = new CutList($("#cuts"), session.sports);
const timeline = new Timeline($("#timeline"), $("#preview"), {
  imageUrl,
  frameAt: (timeS) => state.table.frameAt(timeS),
  say: timecode,
});
const proposals = new Proposals({
  cutting,
  notice,
  view: () => {
    const [from, to] = timeline.view;
    return { mediaId: state.mediaId, start: state.table.frameAt(from), end: Math.min(state.table.count, state.table.frameAt(to) + 1) };
  },
});
const exports_ = new Exports({
  annotator: () => labels.annotator,
  sourceId: () => state.mediaId,
  notice,
  framesToText: ([start, end]) => `${start} – ${end - 1}`,
});

// ---- Showing ------------------------------------------------------------------------------------

function render() {
  if (!state.table) return;
  const all = cutting.all();
  const { table } = state;
  const { draft } = cutting;
  list.show(all, cutting.chosen, exports_.made);
  $("#count").textContent = all.length || "";
  const totalS = all.reduce((sum, cut) => sum + cut.endS - cut.startS, 0);
  $("#total").textContent = all.length ? `${timecode(totalS).replace(/\d\d$/, "")} in all` : "";
  $("#export").disabled = media.length < 2 && !all.length;
  $("#undo").disabled = !labels.canUndo;
  $("#redo").disabled = !labels.canRedo;
  timeline.bands = all.map((cut) => ({
    id: cut.id, startS: cut.startS, endS: cut.endS, colour: sportColour(cut.sport), isChosen: cut.id === cutting.chosen,
  }));
  timeline.ghosts = proposals.ranges.map(([start, end]) => ({ startS: table.startS(start), endS: table.startS(end) }));
  timeline.draft = {
    startS: draft.start === null ? null : table.startS(draft.start),
    endS: draft.end === null ? null : table.startS(draft.end),
  };
  timeline.draw();
  const chosen = cutting.find(cutting.chosen);
  showRange(chosen ?? draft, chosen?.name);
  $("#push").disabled = !chosen && Boolean(cutting.whyNot());
  $("#push-text").textContent = chosen ? "Done" : "Keep cut";
  $("#loop").disabled = !cutting.range();
  const sport = cutting.meant()?.sport;
  for (const button of document.querySelectorAll("#sports button")) {
    button.classList.toggle("on", button.dataset.sport === sport);
    button.setAttribute("aria-pressed", String(button.dataset.sport === sport));
    button.disabled = !all.length;
  }
}

function showRange({ start, end }, name) {
  const { table } = state;
  const parts = [];
  if (name) parts.push(element("span", {}, `“${name}” `));
  if (start !== null) parts.push("IN ", element("b", {}, String(start)), " ");
  if (end !== null) parts.push("OUT ", element("b", {}, String(end - 1)), " ");
  const isCut = start !== null && end !== null && start < end;
  if (isCut) parts.push(`${end - start} frames, ${(table.startS(end) - table.startS(start)).toFixed(3)} s`);
  else if (start !== null && end !== null) parts.push(element("span", { className: "wrong" }, "OUT is before IN"));
  $("#draft").replaceChildren(...parts);
}

function showFrame() {
  const { table } = state;
  if (!table) return;
  $("#time").value = table.timecode(player.frame);
  $("#frame").value = `frame ${player.frame}`;
  $("#frame").classList.toggle("inferred", !player.isConfirmed);
  $("#pts").textContent = `PTS ${table.pts[player.frame]}`;
  const range = cutting.find(cutting.chosen) ?? cutting.draft;
  const marks = [range.start === null ? "" : ` · IN ${range.start}`, range.end === null ? "" : ` · OUT ${range.end - 1}`];
  $("#on-stage").textContent = `frame ${player.frame} · ${table.timecode(player.frame)}${marks.join("")}`;
  timeline.setTime(table.startS(player.frame), player.isPlaying);
}

function showState() {
  document.body.classList.toggle("playing", player.isPlaying);
  const shown = player.isReversing ? "backwards" : player.speed === 1 ? "" : `${player.speed}×`;
  $("#speed").textContent = shown;
  $("#loop").classList.toggle("on", player.loopRange !== null);
}

// ---- Videos -------------------------------------------------------------------------------------

const placeKey = (mediaId) => `clipper-place-${mediaId}`;

function remember() {
  if (!state.table) return;
  const place = { frame: player.frame, draft: cutting.draft };
  localStorage.setItem(placeKey(state.mediaId), JSON.stringify(place));
}

function recall(mediaId) {
  try {
    return JSON.parse(localStorage.getItem(placeKey(mediaId))) ?? {};
  } catch {
    return {};
  }
}

async function open(mediaId) {
  remember();
  Object.assign(state, { mediaId, table: null });
  cutting.close();
  proposals.clear();
  $("#video").value = mediaId;
  localStorage.setItem("clipper-video", mediaId);
  $("#trouble").hidden = true;
  $("#loading").hidden = false;
  try {
    const [table] = await Promise.all([FrameTable.load(mediaId), labels.load({ kind: "cut", source_id: mediaId })]);
    if (state.mediaId !== mediaId) return;
    state.table = table;
    const place = recall(mediaId);
    cutting.open(table, place.draft);
    timeline.open(table.durationS);
    render();
    fetchTimeline(mediaId);
    await player.open(`media/${mediaId}`, table);
    if (state.mediaId === mediaId && place.frame) await player.seek(place.frame);
  } catch (error) {
    if (error.name !== "AbortError" && state.mediaId === mediaId) trouble(error.message);
  } finally {
    if (state.mediaId === mediaId) $("#loading").hidden = true;
  }
}

function trouble(text) {
  const codec = state.table ? ` The file holds ${state.table.info.codec} in ${state.table.info.container}; most browsers play H.264 in MP4.` : "";
  $("#trouble").textContent = `${text}.${codec}`;
  $("#trouble").hidden = false;
}

async function fetchTimeline(mediaId) {
  while (state.mediaId === mediaId) {
    const answer = await fetch(`api/media/${mediaId}/timeline`).catch(() => null);
    const content = answer?.ok ? await answer.json() : { state: "working", progress: 0 };
    if (state.mediaId !== mediaId) return;
    if (content.state === "ready") return timeline.setStrip(content);
    timeline.note = content.state === "failed" ? `no motion strip: ${content.problem}` : `looking for motion and sound … ${Math.round(content.progress * 100)} %`;
    timeline.draw();
    if (content.state === "failed") return;
    await new Promise((resolve) => setTimeout(resolve, 600));
  }
}

function openBeside(direction) {
  const place = media.findIndex((row) => row.media_id === state.mediaId);
  const next = media[place + direction];
  if (next) open(next.media_id);
}

// ---- Keys and connections -------------------------------------------------------------------------

// Enter keeps IN to OUT; where nothing is marked, the proposal under the playhead.
function push() {
  const { start, end } = cutting.draft;
  const proposed = !cutting.chosen && start === null && end === null && proposals.at(player.goal);
  if (proposed) proposals.keep(proposed);
  else cutting.push();
}

// The frame on the screen as the file holds it, at its full size.
function snapshot() {
  const name = media.find((row) => row.media_id === state.mediaId)?.name.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
  const file = `${name}_frame_${String(player.goal).padStart(6, "0")}.png`;
  element("a", { href: `api/media/${state.mediaId}/snapshot?frame=${player.goal}`, download: file }).click();
  notice(`${file} goes to your downloads`);
}

const actions = {
  ...playing(player),
  loop: () => {
    const range = cutting.range();
    if (!range) return notice("mark IN and OUT first, or choose a cut", true);
    if (player.loopRange) (player.loop(null), player.pause());
    else player.loop(range);
  },
  edge_back: () => cutting.toEdge(-1),
  edge_forward: () => cutting.toEdge(1),
  go_to: goDialog(player, "write a time such as 1:02:03.5 or 12.5s, or a frame number"),
  mark_in: () => cutting.mark("start"),
  mark_out: () => cutting.mark("end"),
  to_in: () => cutting.toMark("start"),
  to_out: () => cutting.toMark("end"),
  push,
  previous_cut: () => cutting.chooseBeside(-1),
  next_cut: () => cutting.chooseBeside(1),
  deselect: () => {
    const { start, end } = cutting.draft;
    if (cutting.chosen) cutting.choose(null);
    else if (start !== null || end !== null) cutting.setDraft({ start: null, end: null });
    else proposals.clear();
  },
  rename: () => {
    const cut = cutting.meant();
    if (cut) list.rename(cut.id);
  },
  ...Object.fromEntries(session.sports.map((sport, place) => [`sport_${place + 1}`, () => cutting.setSport(sport)])),
  drop: () => {
    const cut = cutting.find(cutting.chosen);
    if (cut) cutting.drop(cut.id);
    else notice("choose a cut first, with [ or ]");
  },
  undo: () => cutting.undo(false),
  redo: () => cutting.undo(true),
  propose: () => proposals.open(),
  snapshot,
  zoom_in: () => timeline.zoom(0.5),
  zoom_out: () => timeline.zoom(2),
  zoom_all: () => timeline.zoomAll(),
  previous_video: () => openBeside(-1),
  next_video: () => openBeside(1),
  export: () => exports_.open(media.length > 1),
};

for (const action of Object.keys(keyTable))
  if (action.startsWith("sport_") && Number(action.slice(6)) > session.sports.length) delete keyTable[action];
session.sports.forEach((sport, place) => {
  const row = (keyTable[`sport_${place + 1}`] ??= { group: "Cut", once: true });
  row.help = `the cut shows ${sport}`;
  row.keys = session.class_keys[sport] ?? row.keys;
  const button = element("button", { type: "button" }, sport, element("kbd"));
  Object.assign(button.dataset, { sport, action: `sport_${place + 1}` });
  button.style.setProperty("--sport", sportColour(sport));
  $("#sports").append(button);
});
// Nothing can be done to a video that is not open yet.
const always = new Set(["previous_video", "next_video", "export"]);
const guarded = Object.fromEntries(
  Object.entries(actions).map(([name, act]) => [name, (event) => (state.table || always.has(name)) && act(event)]),
);
new Keys(keyTable, guarded).wire(document);

player.addEventListener("frame", showFrame);
player.addEventListener("state", showState);
player.addEventListener("problem", ({ detail }) => trouble(detail));
labels.addEventListener("change", render);
cutting.addEventListener("change", () => (remember(), render(), showFrame()));
proposals.addEventListener("change", render);
watchSaved([labels]);
exports_.addEventListener("change", render);
list.addEventListener("choose", ({ detail }) => cutting.choose(detail));
list.addEventListener("drop", ({ detail }) => cutting.drop(detail));
list.addEventListener("change", ({ detail }) => cutting.change(detail.id, detail.change));
timeline.addEventListener("seek", ({ detail }) => player.seek(state.table.frameAt(detail.timeS)));
timeline.addEventListener("edge", ({ detail: { id, which, timeS, isDone } }) => {
  const { table } = state;
  const isEnd = table.durationS - timeS < timeS - table.startS(table.count - 1);
  const edge = isEnd ? table.count : table.frameNear(timeS);
  const frame = table.clamp(which === "start" ? edge : edge - 1); // the frame that is just within
  cutting.drag({ id, which, frame, isDone });
  player.seek(frame);
});
$("#player").addEventListener("click", () => state.table && player.toggle());
addEventListener("pagehide", remember);
nameField(session, [labels], () => cutting.choose(null));

const videos = $("#video");
videos.append(...media.map((row) => element("option", { value: row.media_id }, row.name)));
videos.addEventListener("change", () => (videos.blur(), open(videos.value)));
const wanted = new URLSearchParams(location.search).get("video") ?? localStorage.getItem("clipper-video");
open(media.some((row) => row.media_id === wanted) ? wanted : media[0].media_id);

// For tests and for looking into things from the console.
window.clipper = { player, labels, timeline, cutting, proposals, state };
