// The coach's page: a clip is chosen or brought, analysed, shown; then the coach talks.
//
// The video is on the page before anybody is asked for words. Asking another coach asks only the
// coach again; choosing another clip stops whoever talks.

import { Keys, element } from "../shared/keys.js";
import { fetchJson, notice } from "../shared/page.js";

const $ = (selector) => document.querySelector(selector);
const STAGES = ["read the video", "find people and balls", "fit the flight", "draw the pictures"];
const CORNERS = ["bottom left", "top left", "top right", "bottom right"];
const [session, keyTable, gallery] = await Promise.all([fetchJson("api/session"), Keys.load(), fetchJson("api/media")]);
let chosen = null; // media id
let job = null;
let shown = null; // the result on the page
let coach = session.coaches[0];
let talking = null; // AbortController of who talks
let corners = null; // clicked so far; null while nobody clicks
let turn = 0; // of choices, so that an older answer is not shown

const post = async (url, body, type = "application/json", signal = undefined) => {
  const answer = await fetch(url, { method: "POST", headers: { "content-type": type }, body, signal });
  if (answer.ok) return answer;
  const said = await answer.json();
  throw new Error(`${said.problem}: ${said.remedy}`);
};

function row({ media_id, name }, isOwn = false) {
  const picture = isOwn
    ? element("video", { src: `api/uploads/${media_id}`, muted: true, preload: "metadata" })
    : element("img", { src: `api/media/${media_id}/image?frame=0&width=160`, alt: "", loading: "lazy" });
  const button = element("button", { title: name }, picture, element("span", {}, name.replace(/^clips\//, "").replace(/\.\w+$/, "")));
  button.dataset.id = media_id;
  button.addEventListener("click", () => choose(media_id));
  return element("li", {}, button);
}

function trouble(text) {
  $("#trouble").textContent = text;
  $("#trouble").hidden = !text;
}

function clear() {
  talking?.abort();
  for (const id of ["#cards", "#words", "#click", "#caveat", "#stages", "#still"]) $(id).hidden = true;
  $("#marks").replaceChildren();
  trouble("");
  corners = shown = null;
}

async function choose(media_id, goal = null) {
  const mine = ++turn;
  clear();
  chosen = media_id;
  for (const button of document.querySelectorAll("#gallery button"))
    button.setAttribute("aria-current", String(button.dataset.id === media_id));
  $("#empty").hidden = true;
  $("#video").hidden = false;
  try {
    show(gallery.some((one) => one.media_id === media_id) ? `media/${media_id}` : `api/uploads/${media_id}`);
    job = (await (await post("api/analyse", JSON.stringify({ media_id, goal }))).json()).job;
    while (mine === turn) {
      const found = await fetchJson(`api/jobs/${job}`);
      if (mine !== turn) return;
      if (found.state === "done") return void reveal(found);
      if (found.state === "failed") throw new Error(`${found.problem}: ${found.remedy}`);
      stages(found);
      await new Promise((go) => setTimeout(go, 400));
    }
  } catch (error) {
    if (mine !== turn) return;
    $("#stages").hidden = true;
    trouble(error.message);
  }
}

function stages({ state, stage, place }) {
  const at = state === "waiting" ? -1 : STAGES.indexOf(stage);
  const rows = STAGES.map((name, number) => element("li", { className: number < at ? "done" : number === at ? "now" : "" }, name));
  if (state === "waiting") rows.unshift(element("li", { className: "now" }, `in the queue, place ${place}`));
  $("#stages").replaceChildren(...rows);
  $("#stages").hidden = false;
}

function show(address) {
  const video = $("#video");
  if (!video.src.endsWith(address)) video.src = address;
  video.hidden = false;
  video.play().catch(() => {});
}

const file = (name) => `api/jobs/${job}/${name}`;

function reveal(found) {
  shown = found;
  $("#stages").hidden = true;
  const video = $("#video");
  // The first word comes after the first picture, or where a browser cannot play it.
  const first = new Promise((go) => ["loadeddata", "error"].forEach((what) => video.addEventListener(what, go, { once: true })));
  show(file("overlay.mp4"));
  const kind = { goal: "goal", "no goal": "no" }[found.result] ?? "";
  $("#verdict").className = `panel verdict ${kind}`;
  for (const name of ["headline", "sure", "because", "foot"]) $(`#${name}`).textContent = found[name];
  for (const name of ["speed", "place"]) $(`#${name}`).textContent = found[name] || "not known";
  $("#caveat").textContent = found.caveat && `${found.caveat[0].toUpperCase()}${found.caveat.slice(1)}.`;
  $("#caveat").hidden = !found.caveat;
  $("#measures").replaceChildren(...found.measures.map(measure));
  $("#no-technique").textContent = found.measures.length ? `Joints: ${found.pose}. Nine in ten lie within the bar.` : found.no_technique;
  for (const name of ["goal", "pitch"]) {
    const there = found.pictures.includes(`${name}.png`);
    $(`#${name}-figure`).hidden = !there;
    if (there) $(`#${name}`).src = file(`${name}.png`);
  }
  $("#page").href = file("shot.html");
  $("#cards").hidden = false;
  $("#click").hidden = !found.clicks;
  $("#click-hint").textContent = "The goal was not found. If it is in the picture, click its four inner corners.";
  $("#click-goal").hidden = false;
  $("#words").hidden = false;
  $("#parts").replaceChildren();
  first.then(() => shown === found && talk());
}

const SVG = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

function measure({ name, unit, value, low, high, good_low, good_high, standing }) {
  const most = 1.1 * Math.max(high, good_high, value);
  const x = (number) => (200 * number) / most;
  const picture = SVG("svg", { viewBox: "0 0 200 16", preserveAspectRatio: "none", role: "img", "aria-label": `good is ${good_low} to ${good_high}` });
  picture.append(
    SVG("rect", { class: "range", x: x(good_low), y: 2, width: x(good_high - good_low), height: 12 }),
    SVG("line", { class: "bar", x1: x(low), x2: x(high), y1: 8, y2: 8 }),
    SVG("rect", { class: "dot", x: x(value) - 1.5, y: 3, width: 3, height: 10 }),
  );
  const said = { low: "too low", high: "too high", good: "good", unsure: "can’t tell" }[standing];
  return element("li", {}, element("span", {}, `${name} ${value}${unit}`), element("span", { className: standing }, said), picture);
}

async function talk() {
  talking?.abort();
  const own = (talking = new AbortController());
  for (const button of document.querySelectorAll("#toggle button")) button.setAttribute("aria-pressed", String(button.textContent === coach));
  for (const button of document.querySelectorAll("#toggle button")) button.classList.toggle("on", button.textContent === coach);
  $("#parts").replaceChildren(element("dt", { className: "soft" }, "…"));
  $("#marked").hidden = true;
  let isFirst = true;
  try {
    const answer = await post("api/coach", JSON.stringify({ job, coach }), "application/json", own.signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (text + value).split("\n");
      text = lines.pop();
      for (const line of lines) {
        if (isFirst) $("#parts").replaceChildren();
        isFirst = false;
        say(JSON.parse(line));
      }
    }
    if (shown?.result === "goal") celebrate();
  } catch (error) {
    if (error.name !== "AbortError") $("#parts").replaceChildren(element("dt", {}, error.message));
  }
}

function say({ part, text, replaced }) {
  const parts = $("#parts");
  if (parts.dataset.last !== part || !parts.childElementCount) parts.append(element("dt", {}, part));
  parts.dataset.last = part;
  parts.append(element("dd", { className: replaced ? "replaced" : "", title: replaced }, replaced ? `${text} *` : text));
  if (replaced) $("#marked").hidden = false;
}

function otherCoach() {
  if (session.coaches.length < 2 || !shown) return;
  coach = session.coaches[(session.coaches.indexOf(coach) + 1) % session.coaches.length];
  talk();
}

function step(by) {
  const ids = [...document.querySelectorAll("#gallery button")].map((one) => one.dataset.id);
  const next = ids[Math.min(ids.length - 1, Math.max(0, ids.indexOf(chosen) + by))];
  if (next && next !== chosen) choose(next);
}

async function bring(given) {
  if (!given) return;
  if (given.size > session.upload_mb << 20) return trouble(`${given.name} is larger than ${session.upload_mb} MB: cut the shot out of it`);
  clear();
  turn++;
  $("#empty").hidden = true;
  stages({ state: "running", stage: STAGES[0] });
  try {
    const answer = await post(`api/upload?${new URLSearchParams({ name: given.name })}`, given, "application/octet-stream");
    const { media_id } = await answer.json();
    if (!document.querySelector(`#gallery [data-id="${media_id}"]`)) $("#gallery").prepend(row({ media_id, name: given.name }, true));
    await choose(media_id);
  } catch (error) {
    $("#stages").hidden = true;
    trouble(error.message);
  }
}

// The goal's corners, clicked in a still picture; with four of them the clip is analysed again.
function clickCorners() {
  corners = [];
  $("#video").pause();
  $("#video").hidden = true;
  $("#still").src = file("frame.jpg");
  $("#still").hidden = false;
  $("#click-goal").hidden = true;
  hint();
}

function hint() {
  $("#click-undo").hidden = !corners.length;
  $("#click-hint").textContent = `Click the goal’s inner corner: ${CORNERS[corners.length]}.`;
  const [width, height] = shown.clicks.wh;
  const marks = $("#marks");
  marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const radius = width / 120;
  marks.replaceChildren(SVG("polyline", { points: corners.join(" ") }), ...corners.map(([cx, cy]) => SVG("circle", { cx, cy, r: radius })));
}

$("#still").addEventListener("click", (event) => {
  const [width, height] = shown.clicks.wh;
  const { offsetX, offsetY } = event;
  const scale = Math.min(event.target.clientWidth / width, event.target.clientHeight / height);
  const x = (offsetX - (event.target.clientWidth - scale * width) / 2) / scale;
  const y = (offsetY - (event.target.clientHeight - scale * height) / 2) / scale;
  if (x < 0 || y < 0 || x > width || y > height) return;
  corners.push([x, y]);
  if (corners.length < 4) return hint();
  choose(chosen, { frame: shown.clicks.frame, corners_px: corners });
});
$("#click-goal").addEventListener("click", clickCorners);
$("#click-undo").addEventListener("click", () => (corners.pop(), hint()));

function celebrate() {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const canvas = $("#party");
  [canvas.width, canvas.height] = [innerWidth, innerHeight];
  const pen = canvas.getContext("2d");
  const colours = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
  const bits = Array.from({ length: 90 }, (_, number) => ({ x: Math.random() * innerWidth, y: -20 - Math.random() * 200, vx: Math.random() * 2 - 1, vy: 2 + Math.random() * 3, colour: colours[number % 7] }));
  const until = performance.now() + 2200;
  const draw = (now) => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (now > until) return;
    for (const bit of bits) {
      bit.x += bit.vx;
      bit.y += bit.vy;
      pen.fillStyle = bit.colour;
      pen.fillRect(bit.x, bit.y, 7, 11);
    }
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
}

$("#gallery").append(...gallery.map((one) => row(one)));
for (const name of session.coaches) {
  const button = element("button", {}, name);
  button.addEventListener("click", () => ((coach = name), talk()));
  $("#toggle").append(button);
}
$("#file").addEventListener("change", ({ target }) => (bring(target.files[0]), (target.value = "")));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => (event.preventDefault(), bring(event.dataTransfer.files[0])));
new Keys(keyTable, {
  next_clip: () => step(1),
  previous_clip: () => step(-1),
  upload: () => $("#file").click(),
  play_pause: () => ($("#video").paused ? $("#video").play() : $("#video").pause()),
  other_coach: otherCoach,
}).wire(document);
document.body.dataset.shown = "yes";
