// What the page of every tool has: notices, the light that says "saved", the name of who labels, and
// the dialog that goes to a time or frame. Knows nothing about what is labelled.

import { parsePlace } from "./player.js";

const $ = (selector) => document.querySelector(selector);

export async function fetchJson(url) {
  const answer = await fetch(url);
  const content = await answer.json();
  if (!answer.ok) throw new Error(`${content.problem}: ${content.remedy}`);
  return content;
}

let noticeTimer;
export function notice(text, isBad = false) {
  const place = $("#notice");
  place.textContent = text;
  place.classList.toggle("bad", isBad);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (place.textContent = ""), isBad ? 6000 : 2500);
}

// Let `#saved` say how it stands with everything that was said, and refused labels be heard of.
export function watchSaved(stores) {
  const show = () => {
    const waiting = stores.reduce((sum, one) => sum + one.waiting, 0);
    const isOffline = stores.some((one) => one.isOffline);
    const place = $("#saved");
    place.className = `saved${isOffline ? " offline" : waiting ? " waiting" : ""}`;
    if (stores.some((one) => one.isUnknown)) place.textContent = "open the printed address again";
    else if (isOffline) place.textContent = `offline: ${waiting} kept here`;
    else place.textContent = waiting ? "saving …" : "saved";
  };
  for (const store of stores) {
    store.addEventListener("status", show);
    store.addEventListener("refused", ({ detail }) => notice(`not saved: ${detail.problem}: ${detail.remedy}`, true));
  }
}

const nameKey = (session) => `workbench-annotator instead of ${session.annotator}`;

// Who labels: as the server was told, unless it was changed here since.
export const annotatorOf = (session) => localStorage.getItem(nameKey(session)) || session.annotator;

// The field with the annotator's name; `changed` is called once the stores know another name.
export function nameField(session, stores, changed) {
  const field = $("#annotator");
  field.value = stores[0].annotator;
  field.addEventListener("change", async () => {
    const name = field.value.trim();
    if (!name) return void (field.value = stores[0].annotator);
    await Promise.all(stores.map((one) => one.settled()));
    for (const one of stores) one.annotator = name;
    localStorage.setItem(nameKey(session), name);
    await changed();
  });
  field.addEventListener("keydown", (event) => event.key === "Enter" && field.blur());
}

// The dialog `#go-dialog`; returns what opens it.
export function goDialog(player, remedy) {
  $("#go-dialog form").addEventListener("submit", () => {
    const frame = player.table && parsePlace($("#place").value, player.table);
    if (frame === null) return notice(remedy, true);
    player.pause();
    player.seek(frame);
  });
  $("#go-dialog").addEventListener("click", (event) => event.target.id === "go-dialog" && event.target.close());
  return () => {
    $("#place").value = "";
    $("#go-dialog").showModal();
  };
}

export function fullScreen() {
  return document.fullscreenElement ? document.exitFullscreen() : $("#stage").requestFullscreen?.();
}
// What is said must be seen there, too.
document.addEventListener("fullscreenchange", () => (document.fullscreenElement ?? document.body).append($("#notice")));

export function toggleSound() {
  const video = $("#player");
  video.muted = !video.muted;
  notice(video.muted ? "sound off" : "sound on");
}

// The actions that play and move, for the keys of every tool.
export function playing(player) {
  return {
    play_pause: () => player.toggle(),
    pause: () => (player.isPlaying ? player.pause() : player.play(1)),
    forward: () => player.forward(),
    reverse: () => player.reverse(),
    slower: () => player.slower(),
    faster: () => player.faster(),
    normal_speed: () => player.setSpeed(1),
    replay: () => player.seek(0).then(() => player.play()),
    mute: toggleSound,
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
    to_start: () => player.seek(0),
    to_end: () => (player.pause(), player.seek(player.table.count - 1)),
    full_screen: fullScreen,
  };
}
