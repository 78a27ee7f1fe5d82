// Pointing at places in the video: corners that are clicked and dragged, a ball, and a loupe.
//
// An SVG lies over the video in the video's own pixels (x right, y down, from the picture's upper
// left edge), so that what is drawn stays on its place at every size of the page. Knows nothing
// about labels.
//
//     const pointing = new Pointing($("#drawing"), $("#loupe"), $("#player"));
//     pointing.setSize(1280, 720);
//     pointing.show({ corners, ball, isEditing: true }); // corners: [[x, y], …0 to 4], dragged by hand
//
// Events: "corners" (detail: the points after a click, a drag or a nudge), "ball" (detail: [x, y]).

const LOUPE_ZOOM = 5; // screen pixels per screen pixel of the video
const HANDLE_PX = 8;
const NUDGE_WAIT_MS = 400; // several nudges are one change
const NAMES = ["left bottom", "left top", "right top", "right bottom"];
const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Corners in the order left bottom, left top, right top, right bottom as seen; fewer than four stay.
export function inOrder(points) {
  if (points.length !== 4) return points;
  const middle = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / 4);
  const angle = ([x, y]) => Math.atan2(y - middle[1], x - middle[0]);
  const around = [...points].sort((a, b) => angle(a) - angle(b));
  const ways = [0, 1, 2, 3].map((shift) => [...around.slice(shift), ...around.slice(0, shift)]);
  const rise = (c) => c[0][1] - c[1][1] + c[3][1] - c[2][1];
  return ways.reduce((best, way) => (rise(way) > rise(best) ? way : best));
}

// Why four points are no goal's corners, or null.
export function whyNoGoal(points) {
  const sides = points.map(([x, y], n) => {
    const [nextX, nextY] = points[(n + 1) % 4];
    return [nextX - x, nextY - y];
  });
  const lengths = sides.map(([x, y]) => Math.hypot(x, y));
  const turns = sides.map(([x, y], n) => x * sides[(n + 1) % 4][1] - y * sides[(n + 1) % 4][0]);
  if (Math.min(...lengths) <= 2) return "two corners are one";
  if (Math.min(...turns) <= 0.02 * Math.min(...lengths) * Math.max(...lengths))
    return "a goal is not seen like this: one corner lies between the others";
  return null;
}

export class Pointing extends EventTarget {
  #shown = { corners: [], ball: null, others: [], isEditing: false, takes: "corners" };
  #held = null; // the corner that is dragged
  #nudged = null;

  constructor(drawing, loupe, video) {
    super();
    Object.assign(this, { drawing, loupe, video, wh: [1, 1] });
    drawing.addEventListener("pointerdown", (event) => this.#down(event));
    drawing.addEventListener("pointermove", (event) => this.#move(event));
    drawing.addEventListener("pointerup", (event) => this.#up(event));
    drawing.addEventListener("pointercancel", () => this.#drop());
    drawing.addEventListener("pointerleave", () => this.#held === null && (loupe.hidden = true));
    drawing.addEventListener("keydown", (event) => this.#nudge(event));
    new ResizeObserver(() => this.#draw()).observe(drawing);
  }

  setSize(width, height) {
    clearTimeout(this.#nudged);
    this.#nudged = null;
    this.wh = [width, height];
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  // What is drawn; `takes` says what a click on the picture means: "corners", "ball" or "" (nothing).
  // `others` are further outlines: [{corners, title}].
  show({ corners = [], ball = null, others = [], isEditing = false, takes = "" }) {
    // What is under the finger, or just nudged, stays there.
    if (this.#held !== null || this.#nudged !== null) corners = this.#shown.corners;
    if (takes !== this.#shown.takes) this.loupe.hidden = true; // it shows what the last mode was about
    this.#shown = { corners, ball, others, isEditing, takes };
    this.drawing.classList.toggle("takes", Boolean(takes));
    this.#draw();
  }

  #draw() {
    const { corners, ball, others, isEditing } = this.#shown;
    const scale = this.drawing.getScreenCTM()?.a || 1;
    const focused = document.activeElement?.dataset?.corner;
    const parts = others.flatMap(({ corners: four, title }) => {
      const outline = draw("polyline", { points: four.join(" "), class: "other" });
      outline.append(Object.assign(draw("title", {}), { textContent: title }));
      return [outline];
    });
    if (corners.length > 1) {
      const points = corners.join(" ");
      parts.push(draw("polyline", { points, class: "shade" }), draw("polyline", { points, class: "frame" }));
      if (corners.length === 4)
        parts.push(draw("line", { x1: corners[3][0], y1: corners[3][1], x2: corners[0][0], y2: corners[0][1], class: "ground" }));
    }
    const handles = !isEditing ? [] : corners.map(([x, y], n) => {
      const handle = draw("g", { class: "handle", tabindex: 0, role: "button", "data-corner": n });
      handle.setAttribute("aria-label", `${corners.length === 4 ? NAMES[n] : `corner ${n + 1}`}: arrows move it`);
      const [r, gap] = [HANDLE_PX / scale, 2.5 / scale];
      handle.append(
        draw("circle", { cx: x, cy: y, r: 2 * r, class: "reach" }),
        draw("circle", { cx: x, cy: y, r, class: "ring" }),
        draw("path", { d: `M${x - r} ${y}H${x - gap}M${x + gap} ${y}H${x + r}M${x} ${y - r}V${y - gap}M${x} ${y + gap}V${y + r}` }),
      );
      return handle;
    });
    if (ball) parts.push(draw("circle", { cx: ball[0], cy: ball[1], r: 11 / scale, class: "ball" }));
    this.drawing.replaceChildren(...parts, ...handles);
    if (focused !== undefined) handles[focused]?.focus();
  }

  // Where an event is in the video, in its pixels.
  #place(event) {
    const matrix = this.drawing.getScreenCTM();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return [x, y];
  }

  #isInside([x, y]) {
    return x >= 0 && y >= 0 && x <= this.wh[0] && y <= this.wh[1];
  }

  #down(event) {
    const { corners, takes } = this.#shown;
    if (!takes || event.button !== 0) return;
    event.preventDefault();
    const place = this.#place(event);
    const handle = event.target.closest?.("[data-corner]");
    if (takes === "ball") return void (this.#isInside(place) && this.#say("ball", rounded(place)));
    if (handle) this.#held = Number(handle.dataset.corner);
    else if (corners.length < 4 && this.#isInside(place)) {
      this.#held = corners.length;
      this.#shown.corners = [...corners, place];
    } else return;
    this.drawing.setPointerCapture(event.pointerId);
    this.#draw();
    this.drawing.querySelector(`[data-corner="${this.#held}"]`)?.focus();
    this.#magnify(this.#shown.corners[this.#held]);
  }

  #move(event) {
    const { corners, takes } = this.#shown;
    if (!takes) return;
    const place = this.#place(event);
    if (this.#held === null) return this.#isInside(place) ? this.#magnify(place) : void (this.loupe.hidden = true);
    const inside = place.map((at, axis) => Math.max(0, Math.min(this.wh[axis], at)));
    this.#shown.corners = corners.map((corner, n) => (n === this.#held ? inside : corner));
    this.#draw();
    this.#magnify(inside);
  }

  #up(event) {
    if (this.#held === null) return;
    this.#drop();
    if (event.pointerType === "touch") this.loupe.hidden = true;
    this.#changed();
  }

  #drop() {
    this.#held = null;
  }

  #nudge(event) {
    const number = event.target.closest?.("[data-corner]")?.dataset.corner;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (number === undefined || !way) return;
    event.preventDefault(); // the page's own arrows rest meanwhile
    const step = event.shiftKey ? 5 : 0.5;
    const moved = this.#shown.corners[number].map((at, axis) => Math.max(0, Math.min(this.wh[axis], at + step * way[axis])));
    this.#shown.corners = this.#shown.corners.map((corner, n) => (n === Number(number) ? moved : corner));
    this.#draw();
    this.#magnify(moved);
    clearTimeout(this.#nudged);
    this.#nudged = setTimeout(() => this.#changed(), NUDGE_WAIT_MS);
  }

  #changed() {
    clearTimeout(this.#nudged);
    this.#nudged = null;
    this.#shown.corners = inOrder(this.#shown.corners.map(rounded));
    this.#draw();
    this.#say("corners", this.#shown.corners);
  }

  // The picture around a place, enlarged, on the side of the stage where the place is not.
  #magnify([x, y]) {
    const { loupe, video } = this;
    const scale = this.drawing.getScreenCTM()?.a || 1;
    const wide = loupe.clientWidth || 176;
    loupe.hidden = false;
    loupe.classList.toggle("right", x < this.wh[0] / 2);
    loupe.width = loupe.height = wide * devicePixelRatio;
    const span = wide / (LOUPE_ZOOM * scale); // of the video, in its pixels
    const pixels = video.videoWidth / this.wh[0];
    const context = loupe.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.fillRect(0, 0, loupe.width, loupe.height);
    const from = [(x - span / 2) * pixels, (y - span / 2) * pixels, span * pixels, span * pixels];
    context.drawImage(video, ...from, 0, 0, loupe.width, loupe.height);
    const middle = loupe.width / 2;
    for (const [width, colour] of [[4, "#000"], [1.6, "#ffd400"]]) {
      context.lineWidth = width * devicePixelRatio;
      context.strokeStyle = colour;
      context.beginPath();
      for (const side of [-1, 1]) {
        context.moveTo(middle + side * 0.06 * middle, middle);
        context.lineTo(middle + side * 0.5 * middle, middle);
        context.moveTo(middle, middle + side * 0.06 * middle);
        context.lineTo(middle, middle + side * 0.5 * middle);
      }
      context.stroke();
    }
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const rounded = (place) => place.map((at) => Math.round(at * 10) / 10);
