// The clipper: a long video, a stack of cuts, an export. This file connects the parts: player,
// timeline, cuts, keys and the label database.

import { Keys, element } from "../shared/keys.js";
import { FrameTable, Player, parsePlace, timecode } from "../shared/player.js";
import { Labels, newId } from "../shared/store.js";
import { CutList, sportColour } from "./cuts.js";
import { Exports } from "./export.js";
import { Timeline } from "./timeline.js";

const $ = (selector) => document.querySelector(selector);

const session = await (await fetch("api/session")).json();
const media = await (await fetch("api/media")).json();
// Who labels: as the server was told, unless it was changed here since.
const whoKey = `workbench-annotator instead of ${session.annotator}`;
const labels = new Labels({ annotator: localStorage.getItem(whoKey) || session.annotator });
const player = new Player($("#player"));
const state = {
  mediaId: null,
  table: null,
  chosen: null, // id of the cut being looked at or changed
  draft: { start: null, end: null }, // [start, end) of the next cut
};

const imageUrl = (frame, width = 160) =>
  `api/media/${state.mediaId}/image?frame=${frame}&width=${width}`;
const list = new CutList($("#cuts"), session.sports);
const timeline = new Timeline($("#timeline"), $("#preview"), {
  imageUrl,
  frameAt: (timeS) => state.table.frameAt(timeS),
  say: timecode,
});
const exports_ = new Exports({
  annotator: () => labels.annotator,
  sourceId: () => state.mediaId,
  notice,
  framesToText: ([start, end]) => `${start} – ${end - 1}`,
});

// ---- Cuts ---------------------------------------------------------------------------------------

function cuts() {
  if (!state.table) return [];
  const standing = [...labels.current().values()].filter((entry) => entry.value);
  return standing
    .map((entry) => ({
      id: entry.item_id,
      start: entry.value.start_frame,
      end: entry.value.end_frame,
      name: entry.value.name,
      sport: entry.value.sport ?? null,
      startS: state.table.startS(entry.value.start_frame),
      endS: state.table.startS(entry.value.end_frame),
      image: imageUrl(Math.min(state.table.count - 1, entry.value.start_frame)),
    }))
    .sort((one, other) => one.start - other.start || one.end - other.end);
}

const findCut = (id) => cuts().find((cut) => cut.id === id);

function keep(id, { start, end, name, sport }) {
  const { table } = state;
  labels.append({
    kind: "cut",
    item_id: id,
    value: {
      start_frame: start, end_frame: end,
      start_pts: table.pts[start], end_pts: end < table.count ? table.pts[end] : table.endPts,
      name, sport,
    },
  });
}

function change(id, changes) {
  const cut = findCut(id);
  if (!cut) return;
  const changed = { ...cut, ...changes };
  if (["start", "end", "name", "sport"].some((field) => changed[field] !== cut[field])) keep(id, changed);
}

function drop(id) {
  const cut = findCut(id);
  if (!cut) return;
  if (state.chosen === id) choose(null);
  labels.append({ kind: "cut", item_id: id, value: null });
  notice(`“${cut.name}” dropped; undo brings it back`);
}

function push() {
  if (state.chosen) return choose(null);
  const { start, end } = state.draft;
  if (start === null || end === null)
    return notice(start === null ? "mark the first frame with I" : "mark the last frame with O", true);
  const id = newId();
  const number = 1 + Math.max(0, ...cuts().map((cut) => Number(/^cut (\d+)$/.exec(cut.name)?.[1] ?? 0)));
  keep(id, { start, end, name: `cut ${number}`, sport: cuts().at(-1)?.sport ?? null });
  state.lastPushed = id;
  setDraft({ start: null, end: null });
  if (player.loopRange) player.loop(null);
}

function mark(which) {
  const frame = player.goal;
  const range = state.chosen ? { ...findCut(state.chosen) } : { ...state.draft };
  if (which === "start") {
    range.start = frame;
    if (range.end !== null && range.end <= frame) range.end = state.chosen ? frame + 1 : null;
  } else {
    range.end = frame + 1; // the frame on the screen is the last one in
    if (range.start !== null && range.start > frame) range.start = state.chosen ? frame : null;
  }
  if (state.chosen) change(state.chosen, { start: range.start, end: range.end });
  else setDraft({ start: range.start, end: range.end });
  if (player.loopRange) player.loopRange = currentRange();
}

function setDraft(draft) {
  state.draft = draft;
  remember();
  render();
}

function choose(id, { go = true } = {}) {
  state.chosen = id;
  const cut = id && findCut(id);
  if (player.loopRange) player.loop(null);
  if (cut && go) player.seek(cut.start);
  render();
}

function currentRange() {
  const range = state.chosen ? findCut(state.chosen) : state.draft;
  return range && range.start !== null && range.end !== null ? [range.start, range.end] : null;
}

function chooseBeside(direction) {
  const all = cuts();
  if (!all.length) return;
  const place = all.findIndex((cut) => cut.id === state.chosen);
  const here = player.goal;
  let next;
  if (place >= 0) next = all[Math.max(0, Math.min(all.length - 1, place + direction))];
  else if (direction > 0) next = all.find((cut) => cut.start >= here) ?? all.at(-1);
  else next = all.findLast((cut) => cut.start <= here) ?? all[0];
  choose(next.id);
}

function toEdge(direction) {
  const edges = [...cuts(), state.draft].flatMap(({ start, end }) => [start, end === null ? null : end - 1]);
  const sorted = [...new Set([0, state.table.count - 1, ...edges.filter((edge) => edge !== null)])].sort((a, b) => a - b);
  const here = player.goal;
  const edge = direction > 0 ? sorted.find((one) => one > here) : sorted.findLast((one) => one < here);
  if (edge !== undefined) player.seek(edge);
}

// The cut that keys without a mouse mean: the chosen one, else the one kept last.
const meant = () => findCut(state.chosen) ?? findCut(state.lastPushed) ?? cuts().at(-1);

function undo(isRedo) {
  const entry = isRedo ? labels.redo() : labels.undo();
  if (!entry) return notice(isRedo ? "nothing to redo" : "nothing to undo");
  if (state.chosen && !findCut(state.chosen)) state.chosen = null;
  render();
}

// ---- Showing ------------------------------------------------------------------------------------

function render() {
  if (!state.table) return;
  const all = cuts();
  const { table, draft } = state;
  list.show(all, state.chosen, exports_.made);
  $("#count").textContent = all.length || "";
  const totalS = all.reduce((sum, cut) => sum + cut.endS - cut.startS, 0);
  $("#total").textContent = all.length ? `${timecode(totalS).replace(/\d\d$/, "")} in all` : "";
  $("#export").disabled = media.length < 2 && !all.length;
  $("#undo").disabled = !labels.canUndo;
  $("#redo").disabled = !labels.canRedo;
  timeline.bands = all.map((cut) => ({
    startS: cut.startS, endS: cut.endS, colour: sportColour(cut.sport), isChosen: cut.id === state.chosen,
  }));
  timeline.draft = {
    startS: draft.start === null ? null : table.startS(draft.start),
    endS: draft.end === null ? null : table.startS(draft.end),
  };
  timeline.draw();
  const chosen = findCut(state.chosen);
  const range = chosen ?? draft;
  const parts = [];
  if (chosen) parts.push(element("span", {}, `“${chosen.name}” `));
  if (range.start !== null) parts.push("IN ", element("b", {}, String(range.start)), " ");
  if (range.end !== null) parts.push("OUT ", element("b", {}, String(range.end - 1)), " ");
  if (range.start !== null && range.end !== null)
    parts.push(`${range.end - range.start} frames, ${(table.startS(range.end) - table.startS(range.start)).toFixed(3)} s`);
  $("#draft").replaceChildren(...parts);
  $("#push").disabled = !chosen && (draft.start === null || draft.end === null);
  $("#push").firstChild.textContent = chosen ? "Done " : "Keep cut ";
  $("#loop").disabled = !currentRange();
}

function showFrame() {
  const { table } = state;
  if (!table) return;
  $("#time").value = table.timecode(player.frame);
  $("#frame").value = `frame ${player.frame}`;
  $("#frame").classList.toggle("inferred", !player.isConfirmed);
  $("#pts").textContent = `PTS ${table.pts[player.frame]}`;
  timeline.setTime(table.startS(player.frame), player.isPlaying);
}

function showState() {
  document.body.classList.toggle("playing", player.isPlaying);
  const shown = player.isReversing ? "backwards" : player.speed === 1 ? "" : `${player.speed}×`;
  $("#speed").textContent = shown;
  $("#loop").classList.toggle("on", player.loopRange !== null);
}

let noticeTimer;
function notice(text, isBad = false) {
  const place = $("#notice");
  place.textContent = text;
  place.classList.toggle("bad", isBad);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (place.textContent = ""), isBad ? 6000 : 3000);
}

function showSaved({ waiting, isOffline, isUnknown }) {
  const place = $("#saved");
  place.className = `saved${isOffline ? " offline" : waiting ? " waiting" : ""}`;
  place.textContent = isUnknown ? "open the printed address again" : isOffline ? `offline: ${waiting} kept here` : waiting ? "saving …" : "saved";
}

// ---- Videos -------------------------------------------------------------------------------------

const placeKey = (mediaId) => `clipper-place-${mediaId}`;

function remember() {
  if (!state.table) return;
  const place = { frame: player.frame, draft: state.draft };
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
  Object.assign(state, { mediaId, table: null, chosen: null, lastPushed: null, draft: { start: null, end: null } });
  $("#video").value = mediaId;
  localStorage.setItem("clipper-video", mediaId);
  $("#trouble").hidden = true;
  $("#loading").hidden = false;
  try {
    const [table] = await Promise.all([FrameTable.load(mediaId), labels.load({ kind: "cut", source_id: mediaId })]);
    if (state.mediaId !== mediaId) return;
    state.table = table;
    const place = recall(mediaId);
    if (place.draft) state.draft = place.draft;
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

const setSport = (place) => {
  const cut = meant();
  if (!cut) return notice("there is no cut yet");
  const sport = session.sports[place];
  change(cut.id, { sport: cut.sport === sport ? null : sport });
};

const actions = {
  play_pause: () => player.toggle(),
  pause: () => (player.isPlaying ? player.pause() : player.play(1)),
  forward: () => player.forward(),
  reverse: () => player.reverse(),
  slower: () => player.slower(),
  faster: () => player.faster(),
  normal_speed: () => player.setSpeed(1),
  mute: () => {
    const video = $("#player");
    video.muted = !video.muted;
    notice(video.muted ? "sound off" : "sound on");
  },
  loop: () => {
    const range = currentRange();
    if (!range) return notice("mark IN and OUT first, or choose a cut", true);
    if (player.loopRange) (player.loop(null), player.pause());
    else player.loop(range);
  },
  frame_back: () => player.step(-1),
  frame_forward: () => player.step(1),
  ten_frames_back: () => player.step(-10),
  ten_frames_forward: () => player.step(10),
  second_back: () => player.stepSeconds(-1),
  second_forward: () => player.stepSeconds(1),
  ten_seconds_back: () => player.stepSeconds(-10),
  ten_seconds_forward: () => player.stepSeconds(10),
  minute_back: () => player.stepSeconds(-60),
  minute_forward: () => player.stepSeconds(60),
  edge_back: () => toEdge(-1),
  edge_forward: () => toEdge(1),
  to_start: () => player.seek(0),
  to_end: () => player.seek(state.table.count - 1),
  go_to: () => {
    $("#place").value = "";
    $("#go-dialog").showModal();
  },
  mark_in: () => mark("start"),
  mark_out: () => mark("end"),
  to_in: () => currentMark("start"),
  to_out: () => currentMark("end"),
  push,
  previous_cut: () => chooseBeside(-1),
  next_cut: () => chooseBeside(1),
  deselect: () => (state.chosen ? choose(null) : setDraft({ start: null, end: null })),
  rename: () => {
    const cut = meant();
    if (cut) list.rename(cut.id);
  },
  sport_1: () => setSport(0),
  sport_2: () => setSport(1),
  sport_3: () => setSport(2),
  sport_4: () => setSport(3),
  drop: () => {
    const cut = findCut(state.chosen);
    if (cut) drop(cut.id);
    else notice("choose a cut first, with [ or ]");
  },
  undo: () => undo(false),
  redo: () => undo(true),
  zoom_in: () => timeline.zoom(0.5),
  zoom_out: () => timeline.zoom(2),
  zoom_all: () => timeline.zoomAll(),
  full_screen: () => (document.fullscreenElement ? document.exitFullscreen() : $("#stage").requestFullscreen?.()),
  previous_video: () => openBeside(-1),
  next_video: () => openBeside(1),
  export: () => exports_.open(media.length > 1),
};

function currentMark(which) {
  const range = findCut(state.chosen) ?? state.draft;
  const frame = which === "start" ? range.start : range.end === null ? null : range.end - 1;
  if (frame === null) notice(which === "start" ? "there is no IN yet" : "there is no OUT yet");
  else player.seek(frame);
}

const table = await Keys.load();
session.sports.forEach((sport, place) => {
  if (table[`sport_${place + 1}`]) table[`sport_${place + 1}`].help = `the cut shows ${sport}`;
});
// Nothing can be done to a video that is not open yet.
const always = new Set(["previous_video", "next_video", "export"]);
const guarded = Object.fromEntries(
  Object.entries(actions).map(([name, act]) => [name, (event) => (state.table || always.has(name)) && act(event)]),
);
const keys = new Keys(table, guarded);
keys.wire(document);

player.addEventListener("frame", showFrame);
player.addEventListener("state", showState);
player.addEventListener("problem", ({ detail }) => trouble(detail));
labels.addEventListener("change", render);
labels.addEventListener("status", ({ detail }) => showSaved(detail));
labels.addEventListener("refused", ({ detail }) => notice(`not saved: ${detail.problem}: ${detail.remedy}`, true));
exports_.addEventListener("change", render);
list.addEventListener("choose", ({ detail }) => choose(detail));
list.addEventListener("drop", ({ detail }) => drop(detail));
list.addEventListener("change", ({ detail }) => change(detail.id, detail.change));
timeline.addEventListener("seek", ({ detail }) => player.seek(state.table.frameAt(detail.timeS)));
$("#player").addEventListener("click", () => state.table && player.toggle());
$("#go-dialog form").addEventListener("submit", () => {
  const frame = state.table && parsePlace($("#place").value, state.table);
  if (frame === null) notice("write a time such as 1:02:03.5 or 12.5s, or a frame number", true);
  else player.seek(frame);
});
$("#go-dialog").addEventListener("click", (event) => event.target.id === "go-dialog" && event.target.close());
addEventListener("pagehide", remember);

const who = $("#annotator");
who.value = labels.annotator;
who.addEventListener("change", async () => {
  const name = who.value.trim();
  if (!name) return void (who.value = labels.annotator);
  await labels.settled();
  labels.annotator = name;
  localStorage.setItem(whoKey, name);
  state.chosen = null;
  render();
});
who.addEventListener("keydown", (event) => event.key === "Enter" && who.blur());

const videos = $("#video");
videos.append(...media.map((row) => element("option", { value: row.media_id }, row.name)));
videos.addEventListener("change", () => (videos.blur(), open(videos.value)));
const wanted = new URLSearchParams(location.search).get("video") ?? localStorage.getItem("clipper-video");
open(media.some((row) => row.media_id === wanted) ? wanted : media[0].media_id);

// For tests and for looking into things from the console.
window.clipper = { player, labels, timeline, state };
