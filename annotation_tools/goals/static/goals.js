// The goal labeller: clip after clip, a verdict and the frame of the event. This file connects the
// parts: player, list of clips, keys, review, events, corrections of the shot, and the label database.

import { Keys } from "../shared/keys.js";
import { annotatorOf, fetchJson, goDialog, nameField, notice, playing, watchSaved } from "../shared/page.js";
import { FrameTable, Player } from "../shared/player.js";
import { Labels } from "../shared/store.js";
import { ClipList } from "./cliplist.js";
import { Correct } from "./correct.js";
import { Events } from "./events.js";
import { Opinions } from "./opinions.js";
import { arrange } from "./order.js";
import { Screen } from "./screen.js";
import { VERDICTS } from "./verdicts.js";

const RETRY_MS = 1500;
const $ = (selector) => document.querySelector(selector);

const [session, found, keyTable] = await Promise.all([fetchJson("api/session"), fetchJson("api/items"), Keys.load()]);
const annotator = annotatorOf(session);
const items = arrange(found, session, annotator);
const labels = new Labels({ annotator });
// The rest has histories of its own: undo takes back what one is doing.
const clicked = { corners: new Labels({ annotator, part: "corners" }), shot: new Labels({ annotator, part: "shot" }) };
const settled = new Labels({ annotator, part: "settled" });
const happened = new Labels({ annotator, part: "event" });
const stores = [labels, settled, happened, ...Object.values(clicked)];
const player = new Player($("#player"));
const correct = new Correct({ player, labels: clicked, notice });
const events = new Events({ player, labels: happened, offered: session.events, notice });
const opinions = new Opinions({ labels, settled, tolerance: session.tolerance_frames });
const list = new ClipList($("#clips"), $("#find"), items);
const tables = new Map(); // media_id → promise of its frame table
const state = {
  place: -1, // of the clip that is shown
  table: null, // its frames; null until it is on the screen
  draft: null, // event frame marked before the verdict
  clicked: new Set(), // clips whose goal or shot somebody has clicked
  goesOn: localStorage.getItem("goals-stay") === null,
  lastSaid: labels, // what undo takes back outside the modes: a verdict, or a last word
};

// ---- Verdicts -----------------------------------------------------------------------------------

const item = () => items[state.place];
const valueOf = (place) => labels.current().get(items[place].item_id)?.value ?? null;
const eventFrame = () => valueOf(state.place)?.event_frame ?? state.draft;
const screen = new Screen({ items, list, player, labels, clicked, happened, correct, events, opinions, state, valueOf, eventFrame, settle, settleAs });
const render = () => screen.render();

function say(value) {
  state.lastSaid = labels;
  labels.append({ kind: "verdict", item_id: item().item_id, source_id: item().media_id, value });
}

function judge(verdict) {
  if (correct.mode) return notice(`done with the ${correct.mode}? ${correct.mode === "goal" ? "C" : "S"} leads back to the verdict`);
  if (!state.table) return notice("wait until the clip is on the screen");
  const before = valueOf(state.place);
  const event_frame = eventFrame();
  if (before?.verdict !== verdict || before.event_frame !== event_frame) say({ verdict, event_frame });
  state.draft = null;
  notice(`${item().shown}: ${VERDICTS[verdict].text}`);
  if (!state.goesOn || opinions.isOn) return;
  const next = find(1, (place) => !valueOf(place));
  if (next !== null) return void open(next);
  notice("every clip has a verdict");
}

// The last word on the clip; null takes one's own back.
function settle(verdict, event_frame = null) {
  if (!opinions.isOn) return notice("the last word is given in review, after seeing what others said: press V");
  if (!state.table) return notice("wait until the clip is on the screen");
  const { item_id, media_id: source_id, shown } = item();
  const value = verdict && { verdict, event_frame };
  if (!value && !settled.current().has(item_id)) return notice("only who settled it can take that back", true);
  settled.append({ kind: "settled_verdict", item_id, source_id, value });
  state.lastSaid = settled;
  const frame = value && (event_frame === null ? ", no frame" : `, frame ${event_frame}`);
  notice(value ? `${shown} settled: ${VERDICTS[verdict].text}${frame}` : `${shown} is open again`);
}

// With the frame that one has marked, else the one that those who say so agree on.
function settleAs(verdict) {
  if (state.place < 0) return;
  const frame = eventFrame() ?? opinions.agreedFrame(item().item_id, verdict);
  settle(verdict, frame);
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
  if (events.shows) return events.undo(isRedo);
  const store = state.lastSaid;
  const entry = isRedo ? store.redo() : store.undo();
  if (!entry) return notice(isRedo ? "nothing to redo" : "nothing to undo");
  // One sees what was undone: the clip it was about is shown.
  const place = items.findIndex(({ item_id }) => item_id === entry.item_id);
  if (place >= 0 && place !== state.place) open(place);
  notice(`${items[place]?.shown ?? entry.item_id}: ${isRedo ? "said again" : "taken back"}`);
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

const WHY = { people: "they differ", events: "their events differ", model: "the model differs" };

async function goDisagreement() {
  if (!opinions.isOn) return notice("disagreements are shown in review mode: press V");
  const next = await opinions.next(item()?.item_id).catch((error) => (notice(error.message, true), undefined));
  if (next === undefined) return;
  if (!next) return notice("nothing waits for a last word");
  notice(`${next.place + 1} of ${next.count} that wait: ${WHY[next.why]}`);
  const place = items.findIndex(({ item_id }) => item_id === next.item_id);
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
  screen.trouble("");
  document.body.dataset.shown = "";
  correct.close();
  events.close();
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
      if (!(await isServerThere())) screen.trouble("The server does not answer. What you said is kept here; trying again …");
      else return screen.trouble(`${items[place].shown}: ${error.message}. Most browsers play H.264 in MP4.`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  screen.trouble("");
  document.body.dataset.shown = item().item_id;
  correct.open(item(), state.table);
  events.open(item());
  render();
  screen.showFrame();
  if (!correct.mode && !events.shows) player.play(player.speed);
  const next = find(1, (one) => !valueOf(one));
  if (next !== null) tableOf(next).catch(() => {}); // so that it is there at once
}

async function isServerThere() {
  return (await fetch("api/session").catch(() => null))?.ok ?? false;
}

// ---- Modes ----------------------------------------------------------------------------------------

async function toggleReview() {
  if (session.blind) return notice("these clips are labelled blind: nobody's verdicts are shown");
  try {
    await Promise.all([opinions.toggle(), loadEvents(opinions.isOn)]);
    const { unknown } = opinions.model;
    if (opinions.isOn && unknown.length) notice(`verdicts of the model on no clip here: ${unknown.join(", ")}`, true);
  } catch (error) {
    notice(error.message, true);
  }
  state.lastSaid = labels;
  render();
}

function toggleCorrect(mode) {
  events.toggle(false);
  correct.toggle(mode);
}

function toggleEvents() {
  if (correct.mode) correct.toggle(correct.mode);
  events.toggle();
}

// ---- Keys and connections -------------------------------------------------------------------------

const whenShown = (act) => (event) => state.table && act(event);
const inMode = (mode, act) => whenShown(() => {
  if (correct.mode !== mode) toggleCorrect(mode);
  return act();
});
const moving = Object.entries(playing(player)).map(([name, act]) => [name, whenShown(act)]);
const numbered = Array.from({ length: 9 }, (_, place) => [`event_${place + 1}`, whenShown(() => events.mark(place))]);
const actions = {
  ...Object.fromEntries([...moving, ...numbered]),
  corners: whenShown(() => toggleCorrect("goal")),
  shot: whenShown(() => toggleCorrect("shot")),
  events: whenShown(toggleEvents),
  kick_here: inMode("shot", () => correct.kickHere()),
  to_kick: inMode("shot", () => correct.toKick()),
  left_foot: inMode("shot", () => correct.foot("left")),
  right_foot: inMode("shot", () => correct.foot("right")),
  no_ball: inMode("shot", () => correct.noBall()),
  forget: whenShown(() => correct.forget()),
  goal: () => judge("goal"),
  no_goal: () => judge("no_goal"),
  unsure: () => judge("unsure"),
  settle_goal: () => settleAs("goal"),
  settle_no_goal: () => settleAs("no_goal"),
  settle_unsure: () => settleAs("unsure"),
  reopen: () => settle(null),
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
  to_event: whenShown(() => {
    const event = eventFrame();
    if (event === null) return notice("no event is marked: E marks this frame");
    player.pause();
    return player.seek(event);
  }),
  go_to: goDialog(player, "write a time such as 1.5s, or a frame number"),
};
events.names.slice(0, 9).forEach((name, place) => (keyTable[`event_${place + 1}`].help = `${name} is in this frame; again: it is not`));
new Keys(keyTable, actions).wire(document);

player.addEventListener("problem", ({ detail }) => screen.trouble(detail));
correct.addEventListener("mode", render);
events.addEventListener("change", render);
for (const one of stores) one.addEventListener("change", render);
watchSaved(stores);
list.addEventListener("choose", ({ detail }) => {
  open(detail);
  scrollTo({ top: 0 }); // on a phone the list lies below the video
});
$("#player").addEventListener("click", () => state.table && player.toggle());
nameField(session, stores, async () => {
  if (session.blind || session.team.length) return location.reload(); // another order, other clips
  await load();
  resume();
});

// ---- The beginning --------------------------------------------------------------------------------

const loadEvents = (ofAll) => happened.load({ kind: "event", annotator: ofAll ? null : happened.annotator });

// What this person has said and clicked, and on which clips anybody has clicked.
async function load() {
  const clicks = Object.entries(clicked).map(([kind, one]) => one.load({ kind, annotator: one.annotator }));
  const [content] = await Promise.all([fetchJson("api/clicked"), opinions.load(), loadEvents(opinions.isOn), ...clicks]);
  state.clicked = new Set(content);
}

// Where one stopped: the first clip without a verdict after the one labelled last.
function resume() {
  const last = items.findIndex(({ item_id }) => item_id === labels.mine.at(-1)?.item_id);
  return open(find(1, (place) => !valueOf(place), last) ?? Math.max(0, last));
}

// "#review=CLIP" in the address shows a clip in review, "#goal=CLIP" its goal, "#shot=CLIP" its shot;
// "#review" alone begins with the worst disagreement.
async function openAsked() {
  const [asked, wanted] = [...new URLSearchParams(location.hash.slice(1))][0] ?? [];
  const place = items.findIndex(({ item_id }) => item_id === wanted);
  if (wanted && place < 0) notice(`there is no clip ${wanted} here`, true);
  if (asked === "review" && !opinions.isOn) await toggleReview();
  if (place < 0) {
    await resume();
    return asked === "review" && !wanted && opinions.isOn ? goDisagreement() : undefined;
  }
  await open(place);
  if (["goal", "shot"].includes(asked) && correct.mode !== asked) toggleCorrect(asked);
}
window.addEventListener("hashchange", openAsked);

await load();
if (items.length) openAsked();
else screen.trouble("No clip is assigned to this name.");

// For tests and for looking into things from the console.
window.goals = { player, labels, clicked, settled, happened, correct, events, opinions, state };
