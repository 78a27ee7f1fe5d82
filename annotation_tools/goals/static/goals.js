// The goal labeller: clip after clip, a verdict and the frame of the event. This file connects the
// parts: player, list of clips, keys, review, corrections of the shot, and the label database.
//
// Others' verdicts and the model's are not even asked for until review mode is on.

import { Keys } from "../shared/keys.js";
import { FrameTable, Player, parsePlace } from "../shared/player.js";
import { Labels } from "../shared/store.js";
import { ClipList } from "./cliplist.js";
import { Correct } from "./correct.js";
import { drawOpinions } from "./review.js";
import { VERDICTS, timeLeft } from "./verdicts.js";

const RETRY_MS = 1500;

const $ = (selector) => document.querySelector(selector);
const fetchJson = async (url) => {
  const answer = await fetch(url);
  const content = await answer.json();
  if (!answer.ok) throw new Error(`${content.problem}: ${content.remedy}`);
  return content;
};

const [session, items, keyTable] = await Promise.all([
  fetchJson("api/session"),
  fetchJson("api/items"),
  Keys.load(),
]);
// Who labels: as the server was told, unless it was changed here since.
const whoKey = `workbench-annotator instead of ${session.annotator}`;
const labels = new Labels({ annotator: localStorage.getItem(whoKey) || session.annotator });
// What is corrected has a history of its own: undo takes back what one is doing.
const clicked = {
  corners: new Labels({ annotator: labels.annotator, part: "corners" }),
  shot: new Labels({ annotator: labels.annotator, part: "shot" }),
};
const player = new Player($("#player"));
const correct = new Correct({ player, labels: clicked, notice: (...said) => notice(...said) });
const list = new ClipList($("#clips"), $("#find"), items);
const tables = new Map(); // media_id → promise of its frame table
const state = {
  place: -1, // of the clip that is shown
  table: null, // its frames; null until it is on the screen
  draft: null, // event frame marked before the verdict
  isReview: false,
  model: { model: null, verdicts: {}, unknown: [] }, // what a model says; asked for by review mode
  clicked: new Set(), // clips whose goal or shot somebody has clicked
  goesOn: localStorage.getItem("goals-stay") === null,
};

// ---- Verdicts -----------------------------------------------------------------------------------

const item = () => items[state.place];
const mine = () => labels.current();
const valueOf = (place) => mine().get(items[place].item_id)?.value ?? null;
const eventFrame = () => valueOf(state.place)?.event_frame ?? state.draft;

function say(value) {
  labels.append({ kind: "verdict", item_id: item().item_id, source_id: item().media_id, value });
}

function judge(verdict) {
  if (correct.mode) return notice(`done with the ${correct.mode}? ${correct.mode === "goal" ? "C" : "S"} leads back to the verdict`);
  if (!state.table) return notice("wait until the clip is on the screen");
  const before = valueOf(state.place);
  const event_frame = eventFrame();
  if (before?.verdict !== verdict || before.event_frame !== event_frame) say({ verdict, event_frame });
  state.draft = null;
  notice(`${item().item_id}: ${VERDICTS[verdict].text}`);
  if (!state.goesOn || state.isReview) return;
  const next = find(1, (place) => !valueOf(place));
  if (next !== null) return void open(next);
  notice("every clip has a verdict");
}

function markEvent() {
  if (!state.table) return;
  const frame = player.goal;
  player.pause();
  const wanted = eventFrame() === frame ? null : frame;
  const value = valueOf(state.place);
  if (value) say({ ...value, event_frame: wanted });
  else {
    state.draft = wanted;
    render();
  }
}

function clear() {
  state.draft = null;
  if (valueOf(state.place)) say(null);
  else render();
}

function takeBack(isRedo) {
  if (correct.mode) return correct.undo(isRedo);
  const entry = isRedo ? labels.redo() : labels.undo();
  if (!entry) return notice(isRedo ? "nothing to redo" : "nothing to undo");
  // One sees what was undone: the clip it was about is shown.
  const place = items.findIndex(({ item_id }) => item_id === entry.item_id);
  if (place >= 0 && place !== state.place) open(place);
  notice(`${entry.item_id}: ${isRedo ? "said again" : "taken back"}`);
}

// ---- Going from clip to clip ----------------------------------------------------------------------

// The next place, round the end, at which a condition holds; null if there is none.
function find(direction, holds, from = state.place) {
  for (let step = 1; step <= items.length; step++) {
    const place = (((from + direction * step) % items.length) + items.length) % items.length;
    if (holds(place)) return place;
  }
  return null;
}

function goUnlabelled(direction) {
  const place = find(direction, (one) => !valueOf(one));
  if (place === null) notice("every clip has a verdict");
  else if (place === state.place) notice("this is the only clip without a verdict");
  else open(place);
}

async function goDisagreement() {
  if (!state.isReview) return notice("disagreements are shown in review mode: press V");
  await labels.settled();
  const queue = await fetchJson("api/disagreements").catch((error) => notice(error.message, true));
  if (!queue) return;
  if (!queue.length) return notice("nobody disagrees");
  await loadLabels();
  const here = queue.indexOf(item()?.item_id);
  const next = queue[(here + 1) % queue.length];
  const place = items.findIndex(({ item_id }) => item_id === next);
  notice(`disagreement ${((here + 1) % queue.length) + 1} of ${queue.length}`);
  if (place !== state.place) open(place);
}

function tableOf(place) {
  const { media_id } = items[place];
  if (!tables.has(media_id)) {
    const table = FrameTable.load(media_id);
    table.catch(() => tables.delete(media_id));
    tables.set(media_id, table);
  }
  return tables.get(media_id);
}

let turn = 0;
async function open(place) {
  const mine = ++turn;
  Object.assign(state, { place, table: null, draft: null });
  $("#trouble").hidden = true;
  document.body.dataset.shown = "";
  correct.close();
  render();
  while (mine === turn) {
    try {
      const table = await tableOf(place);
      await player.open(`media/${items[place].media_id}`, table);
      if (mine !== turn) return;
      state.table = table;
      break;
    } catch (error) {
      if (mine !== turn || error.name === "AbortError") return;
      if (!(await isServerThere())) trouble("The server does not answer. What you said is kept here; trying again …");
      else return trouble(`${items[place].name}: ${error.message}. Most browsers play H.264 in MP4.`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  $("#trouble").hidden = true;
  document.body.dataset.shown = item().item_id;
  correct.open(item(), state.table);
  render();
  showFrame();
  if (!correct.mode) player.play(player.speed);
  const next = find(1, (one) => !valueOf(one));
  if (next !== null) tableOf(next).catch(() => {}); // so that it is there at once
}

async function isServerThere() {
  return (await fetch("api/session").catch(() => null))?.ok ?? false;
}

function trouble(text) {
  $("#trouble").textContent = text;
  $("#trouble").hidden = false;
}

// ---- Review ---------------------------------------------------------------------------------------

function loadLabels() {
  const scope = { kind: "verdict" };
  return labels.load(state.isReview ? scope : { ...scope, annotator: labels.annotator });
}

async function toggleReview() {
  state.isReview = !state.isReview;
  try {
    await loadLabels();
    if (state.isReview) state.model = await fetchJson("api/model");
    const { unknown } = state.model;
    if (state.isReview && unknown.length) notice(`verdicts of the model on no clip here: ${unknown.join(", ")}`, true);
  } catch (error) {
    notice(error.message, true);
  }
  render();
}

function opinions(item_id, people) {
  const said = people.flatMap(([who, current]) => {
    const value = current.get(item_id)?.value;
    if (!value) return [];
    return [{ who, isMe: who === labels.annotator, verdict: value.verdict, eventFrame: value.event_frame }];
  });
  const { model, verdicts } = state.model;
  const guess = verdicts[item_id];
  if (!guess) return said;
  const { verdict, event_frame: eventFrame, score } = guess;
  return [...said, { who: model, isModel: true, verdict, eventFrame, score }];
}

// Everybody who has said something, oneself first: [name, Map item → entry].
function everybody() {
  const names = [...new Set(labels.entries.map((entry) => entry.annotator))].sort();
  const me = labels.annotator;
  return [me, ...names.filter((name) => name !== me)].map((name) => [name, labels.current(name)]);
}

// ---- Showing --------------------------------------------------------------------------------------

function render() {
  if (state.place < 0) return;
  const current = mine();
  const people = state.isReview ? everybody() : [];
  const mineClicked = Object.values(clicked).map((one) => one.current());
  const states = items.map(({ item_id }) => {
    const said = state.isReview ? new Set(opinions(item_id, people).map(({ verdict }) => verdict)) : new Set();
    const isClicked = state.clicked.has(item_id) || mineClicked.some((one) => one.has(item_id));
    return { verdict: current.get(item_id)?.value?.verdict, differ: said.size > 1, clicked: isClicked };
  });
  list.show(states, state.place);
  const done = states.filter(({ verdict }) => verdict).length;
  $("#done").textContent = `${done} of ${items.length} labelled`;
  $("#progress").value = items.length ? done / items.length : 0;
  $("#pace").textContent = timeLeft(labels.mine, items.length - done) ?? "";

  $("#clip").textContent = `${state.place + 1} · ${item().item_id}`;
  const value = valueOf(state.place);
  for (const button of document.querySelectorAll("[data-verdict]")) {
    const isOn = value?.verdict === button.dataset.verdict;
    button.classList.toggle("on", isOn);
    button.setAttribute("aria-pressed", String(isOn));
    button.disabled = !state.table;
  }
  const event = eventFrame();
  $("#mark").disabled = !state.table;
  $("#mark").classList.toggle("on", event !== null);
  const said = correct.mode === "goal" ? clicked.corners : correct.mode === "shot" ? clicked.shot : labels;
  $("#undo").disabled = !said.canUndo;
  $("#redo").disabled = !said.canRedo;
  for (const [button, mode] of [["#corners", "goal"], ["#shot", "shot"]]) {
    $(button).classList.toggle("on", correct.mode === mode);
    $(button).setAttribute("aria-pressed", String(correct.mode === mode));
    $(button).disabled = !state.table;
  }
  $("#verdicts").hidden = correct.mode !== null;
  $("#go-on").classList.toggle("on", state.goesOn);
  $("#go-on").setAttribute("aria-pressed", String(state.goesOn));
  $("#review").classList.toggle("on", state.isReview);
  $("#review").setAttribute("aria-pressed", String(state.isReview));
  $("#next-disagreement").hidden = !state.isReview;
  document.body.classList.toggle("reviewing", state.isReview);
  const here = state.isReview ? opinions(item().item_id, people) : [];
  $("#opinions").hidden = !state.isReview;
  if (state.isReview) drawOpinions($("#opinions"), here, (frame) => (player.pause(), player.seek(frame)));
  drawMarks(event, here);
  showMarkText();
}

function drawMarks(event, others) {
  const { table } = state;
  const marks = table ? others.filter(({ isMe, eventFrame: frame }) => !isMe && frame !== null) : [];
  const made = marks.map(({ eventFrame: frame, who }) => mark(frame, "other", `${who}: frame ${frame}`));
  if (table && event !== null) made.push(mark(event, "mine", `your event: frame ${event}`));
  $("#track .marks").replaceChildren(...made);
}

function mark(frame, className, title) {
  const made = document.createElement("i");
  made.className = className;
  made.title = title;
  made.style.left = `${(100 * state.table.middleS(state.table.clamp(frame))) / state.table.durationS}%`;
  return made;
}

function showMarkText() {
  const event = eventFrame();
  const text = event === null ? "Event is here" : event === player.frame ? `Event: this frame` : `Event: frame ${event}`;
  $("#mark-text").textContent = text;
}

function showFrame() {
  const { table } = state;
  if (!table) return;
  $("#time").value = table.timecode(player.frame);
  $("#frame").value = `frame ${player.frame}`;
  $("#frame").classList.toggle("inferred", !player.isConfirmed);
  $("#pts").textContent = `PTS ${table.pts[player.frame]}`;
  const share = `${(100 * table.middleS(player.frame)) / table.durationS}%`;
  $("#track .head").style.left = share;
  $("#track .played").style.width = share;
  $("#track").setAttribute("aria-valuemax", String(table.count - 1));
  $("#track").setAttribute("aria-valuenow", String(player.frame));
  showMarkText();
  correct.render();
}

function showState() {
  document.body.classList.toggle("playing", player.isPlaying);
  $("#speed").textContent = player.isReversing ? "backwards" : player.speed === 1 ? "" : `${player.speed}×`;
}

let noticeTimer;
function notice(text, isBad = false) {
  const place = $("#notice");
  place.textContent = text;
  place.classList.toggle("bad", isBad);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (place.textContent = ""), isBad ? 6000 : 1800);
}

function showSaved() {
  const every = [labels, ...Object.values(clicked)];
  const waiting = every.reduce((sum, one) => sum + one.waiting, 0);
  const isOffline = every.some((one) => one.isOffline);
  const isUnknown = every.some((one) => one.isUnknown);
  const place = $("#saved");
  place.className = `saved${isOffline ? " offline" : waiting ? " waiting" : ""}`;
  if (isUnknown) place.textContent = "open the printed address again";
  else if (isOffline) place.textContent = `offline: ${waiting} kept here`;
  else place.textContent = waiting ? "saving …" : "saved";
}

// ---- Keys and connections -------------------------------------------------------------------------

const whenShown = (act) => (event) => state.table && act(event);
const inMode = (mode, act) => () => {
  if (!state.table) return;
  if (correct.mode !== mode) correct.toggle(mode);
  return act();
};
const actions = {
  corners: whenShown(() => correct.toggle("goal")),
  shot: whenShown(() => correct.toggle("shot")),
  kick_here: inMode("shot", () => correct.kickHere()),
  to_kick: inMode("shot", () => correct.toKick()),
  left_foot: inMode("shot", () => correct.foot("left")),
  right_foot: inMode("shot", () => correct.foot("right")),
  no_ball: inMode("shot", () => correct.noBall()),
  forget: whenShown(() => correct.forget()),
  goal: () => judge("goal"),
  no_goal: () => judge("no_goal"),
  unsure: () => judge("unsure"),
  mark_event: markEvent,
  clear,
  undo: () => takeBack(false),
  redo: () => takeBack(true),
  go_on: () => {
    state.goesOn = !state.goesOn;
    if (state.goesOn) localStorage.removeItem("goals-stay");
    else localStorage.setItem("goals-stay", "yes");
    notice(state.goesOn ? "a verdict goes on to the next clip" : "a verdict stays on its clip");
    render();
  },
  previous_clip: () => state.place > 0 && open(state.place - 1),
  next_clip: () => state.place + 1 < items.length && open(state.place + 1),
  next_unlabelled: () => goUnlabelled(1),
  previous_unlabelled: () => goUnlabelled(-1),
  next_disagreement: goDisagreement,
  jump: () => list.ask(),
  review: toggleReview,
  play_pause: whenShown(() => player.toggle()),
  pause: whenShown(() => (player.isPlaying ? player.pause() : player.play(1))),
  forward: whenShown(() => player.forward()),
  reverse: whenShown(() => player.reverse()),
  slower: () => player.slower(),
  faster: () => player.faster(),
  normal_speed: () => player.setSpeed(1),
  replay: whenShown(() => player.seek(0).then(() => player.play())),
  mute: () => {
    const video = $("#player");
    video.muted = !video.muted;
    notice(video.muted ? "sound off" : "sound on");
  },
  frame_back: whenShown(() => player.step(-1)),
  frame_forward: whenShown(() => player.step(1)),
  ten_frames_back: whenShown(() => player.step(-10)),
  ten_frames_forward: whenShown(() => player.step(10)),
  second_back: whenShown(() => player.stepSeconds(-1)),
  second_forward: whenShown(() => player.stepSeconds(1)),
  to_start: whenShown(() => player.seek(0)),
  to_end: whenShown(() => (player.pause(), player.seek(state.table.count - 1))),
  to_event: whenShown(() => {
    const event = eventFrame();
    if (event === null) return notice("no event is marked: E marks this frame");
    player.pause();
    return player.seek(event);
  }),
  go_to: () => {
    $("#place").value = "";
    $("#go-dialog").showModal();
  },
  full_screen: () => (document.fullscreenElement ? document.exitFullscreen() : $("#stage").requestFullscreen?.()),
};
new Keys(keyTable, actions).wire(document);

player.addEventListener("frame", showFrame);
player.addEventListener("state", showState);
player.addEventListener("problem", ({ detail }) => trouble(detail));
correct.addEventListener("mode", render);
for (const one of [labels, ...Object.values(clicked)]) {
  one.addEventListener("change", render);
  one.addEventListener("status", showSaved);
  one.addEventListener("refused", ({ detail }) => notice(`not saved: ${detail.problem}: ${detail.remedy}`, true));
}
list.addEventListener("choose", ({ detail }) => open(detail));
$("#player").addEventListener("click", () => state.table && player.toggle());
$("#go-dialog form").addEventListener("submit", () => {
  const frame = state.table && parsePlace($("#place").value, state.table);
  if (frame === null) return notice("write a time such as 1.5s, or a frame number", true);
  player.pause();
  player.seek(frame);
});

const track = $("#track");
const seekTo = (event) => {
  if (!state.table) return;
  const { left, width } = track.getBoundingClientRect();
  const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
  player.pause();
  player.seek(state.table.frameAt(share * state.table.durationS));
};
track.addEventListener("pointerdown", (event) => {
  track.setPointerCapture(event.pointerId);
  seekTo(event);
});
track.addEventListener("pointermove", (event) => track.hasPointerCapture(event.pointerId) && seekTo(event));

const who = $("#annotator");
who.value = labels.annotator;
who.addEventListener("change", async () => {
  const name = who.value.trim();
  if (!name) return void (who.value = labels.annotator);
  const every = [labels, ...Object.values(clicked)];
  await Promise.all(every.map((one) => one.settled()));
  for (const one of every) one.annotator = name;
  localStorage.setItem(whoKey, name);
  await Promise.all([loadLabels(), loadClicked()]);
  resume();
});
who.addEventListener("keydown", (event) => event.key === "Enter" && who.blur());

// What this person has clicked, and on which clips anybody has.
async function loadClicked() {
  const mine = Object.entries(clicked).map(([kind, one]) => one.load({ kind, annotator: one.annotator }));
  const [content] = await Promise.all([fetchJson("api/clicked"), ...mine]);
  state.clicked = new Set(content);
}

// Where one stopped: the first clip without a verdict after the one labelled last.
function resume() {
  const last = items.findIndex(({ item_id }) => item_id === labels.mine.at(-1)?.item_id);
  return open(find(1, (place) => !valueOf(place), last) ?? Math.max(0, last));
}

// "#review=CLIP" in the address shows a clip in review, "#goal=CLIP" its goal, "#shot=CLIP" its shot.
async function openAsked() {
  const [asked, wanted] = [...new URLSearchParams(location.hash.slice(1))][0] ?? [];
  const place = items.findIndex(({ item_id }) => item_id === wanted);
  if (wanted && place < 0) notice(`there is no clip ${wanted} here`, true);
  if (place < 0) return resume();
  if (asked === "review" && !state.isReview) await toggleReview();
  await open(place);
  if (["goal", "shot"].includes(asked) && correct.mode !== asked) correct.toggle(asked);
}
window.addEventListener("hashchange", openAsked);

await Promise.all([loadLabels(), loadClicked()]);
if (items.length) openAsked();

// For tests and for looking into things from the console.
window.goals = { player, labels, clicked, correct, state };
