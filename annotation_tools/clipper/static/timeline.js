// The timeline: how much the picture moves (up) and how loud it is (down), the cuts, the playhead.
//
// The unit is seconds from the first frame. Wheel zooms where the pointer is, dragging scrubs, or moves
// the edge of a cut. Knows nothing about players or labels: it is told what to draw and says where it
// was clicked.
//
// Events: "seek" (detail: {timeS, isDragging}), "edge" (detail: {id, which, timeS, isDone}; id is null
// for the next cut's IN or OUT).

const TICKS_S = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const LEAST_VIEW_S = 0.5;
const FOOT = 18; // pixels for the times
const GRIP_PX = 7; // how near the pointer takes hold of an edge

export class Timeline extends EventTarget {
  #strip = null; // {stepS, motion, sound}
  #dirty = false;

  constructor(canvas, preview, { imageUrl, frameAt, say }) {
    super();
    Object.assign(this, { canvas, preview, imageUrl, frameAt, say });
    this.durationS = 0;
    this.view = [0, 1];
    this.timeS = 0;
    this.bands = []; // {id, startS, endS, colour, isChosen}
    this.ghosts = []; // {startS, endS}: cuts that are only proposed
    this.held = null; // the edge that is dragged: {id, which}
    this.draft = null; // {startS, endS}: either may be null
    this.note = "";
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"])
      canvas.addEventListener(type, (event) => this.#release(event));
    canvas.addEventListener("pointerleave", () => (preview.hidden = true));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  open(durationS) {
    this.durationS = durationS;
    this.view = [0, durationS];
    this.#strip = null;
    this.note = "";
    this.draw();
  }

  setStrip({ step_s, motion, sound }) {
    this.#strip = { stepS: step_s, motion: unpack(motion), sound: sound && unpack(sound) };
    this.note = "";
    this.draw();
  }

  setTime(timeS, isPlaying) {
    this.timeS = timeS;
    const [from, to] = this.view;
    const width = to - from;
    // Turn the page while playing; bring the playhead back into view after a jump.
    if (timeS < from || timeS > to) {
      const start = isPlaying && timeS > to ? timeS : timeS - width / 2;
      this.#setView(start, start + width);
    }
    this.canvas.setAttribute("aria-valuemax", this.durationS.toFixed(3));
    this.canvas.setAttribute("aria-valuenow", timeS.toFixed(3));
    this.canvas.setAttribute("aria-valuetext", this.say(timeS));
    this.draw();
  }

  zoom(factor, aroundS = this.timeS) {
    const [from, to] = this.view;
    const width = Math.max(LEAST_VIEW_S, Math.min(this.durationS, (to - from) * factor));
    const part = (aroundS - from) / (to - from);
    this.#setView(aroundS - part * width, aroundS + (1 - part) * width);
  }

  zoomAll() {
    this.#setView(0, this.durationS);
  }

  draw() {
    if (this.#dirty) return;
    this.#dirty = true;
    requestAnimationFrame(() => ((this.#dirty = false), this.#paint()));
  }

  #setView(from, to) {
    const width = Math.min(this.durationS, to - from);
    const start = Math.max(0, Math.min(this.durationS - width, from));
    this.view = [start, start + width];
    this.draw();
  }

  #timeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    const [from, to] = this.view;
    return Math.max(0, Math.min(this.durationS, from + part * (to - from)));
  }

  #press(event) {
    if (event.button !== 0 || !this.durationS) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.preview.hidden = true;
    this.held = this.#edgeAt(event);
    if (this.held) return;
    this.isDragging = true;
    this.#seek(event, true);
  }

  #move(event) {
    if (this.held) return this.#drag(event, false);
    if (this.isDragging) return this.#seek(event, true);
    if (event.pointerType !== "mouse" || !this.durationS) return;
    this.canvas.classList.toggle("on-edge", this.#edgeAt(event) !== null);
    this.#showPreview(event);
  }

  #release(event) {
    if (this.held) {
      this.#drag(event, true);
      this.held = null;
    }
    if (!this.isDragging) return;
    this.isDragging = false;
    if (event.type === "pointerup") this.#seek(event, false);
  }

  // The edge under the pointer, the chosen cut's first: {id, which}; null where there is none.
  #edgeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const [from, to] = this.view;
    const reach = event.pointerType === "touch" ? 2 * GRIP_PX : GRIP_PX;
    const bands = [...this.bands].sort((one, other) => Number(other.isChosen) - Number(one.isChosen));
    const next = this.draft ? [{ id: null, ...this.draft }] : [];
    let best = null;
    for (const { id, startS, endS } of [...next, ...bands]) {
      for (const [which, timeS] of [["start", startS], ["end", endS]]) {
        if (timeS === null) continue;
        const away = Math.abs(box.left + ((timeS - from) / (to - from)) * box.width - event.clientX);
        if (away <= reach && (best === null || away < best.away - 1)) best = { id, which, away };
      }
    }
    return best && { id: best.id, which: best.which };
  }

  #drag(event, isDone) {
    this.dispatchEvent(new CustomEvent("edge", { detail: { ...this.held, timeS: this.#timeAt(event), isDone } }));
  }

  #seek(event, isDragging) {
    this.dispatchEvent(new CustomEvent("seek", { detail: { timeS: this.#timeAt(event), isDragging } }));
  }

  #wheel(event) {
    if (!this.durationS || event.ctrlKey) return;
    event.preventDefault();
    const [from, to] = this.view;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const move = ((event.deltaX || event.deltaY) / this.canvas.clientWidth) * (to - from);
      this.#setView(from + move, to + move);
    } else this.zoom(Math.exp(event.deltaY / 400), this.#timeAt(event));
  }

  // A picture of what is under the pointer. One request at a time; places are rounded, so that moving
  // about asks for few pictures.
  #showPreview(event) {
    const [from, to] = this.view;
    const grid = (to - from) / 150;
    const timeS = this.#timeAt(event);
    const image = this.preview.querySelector("img");
    this.preview.hidden = false;
    const box = this.canvas.getBoundingClientRect();
    const parent = this.preview.offsetParent.getBoundingClientRect();
    const x = Math.max(85, Math.min(parent.width - 85, event.clientX - parent.left));
    this.preview.style.left = `${x}px`;
    this.preview.querySelector("figcaption").textContent = this.say(timeS);
    this.wanted = this.imageUrl(this.frameAt(Math.min(this.durationS, Math.round(timeS / grid) * grid)));
    if (this.isLoading || image.getAttribute("src") === this.wanted) return;
    const load = () => {
      if (image.getAttribute("src") === this.wanted || this.preview.hidden) return (this.isLoading = false);
      this.isLoading = true;
      image.onload = image.onerror = load;
      image.src = this.wanted;
    };
    load();
  }

  #paint() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !this.durationS) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const [from, to] = this.view;
    const x = (timeS) => ((timeS - from) / (to - from)) * width;
    const floor = height - FOOT;
    for (const band of this.bands) {
      const [left, right] = [x(band.startS), x(band.endS)];
      if (right < 0 || left > width) continue;
      pen.fillStyle = band.colour;
      pen.globalAlpha = band.isChosen ? 0.38 : 0.22;
      pen.fillRect(left, 0, Math.max(2, right - left), floor);
      pen.globalAlpha = 1;
      pen.fillRect(left, 0, Math.max(2, right - left), band.isChosen ? 5 : 3);
    }
    pen.setLineDash([5, 4]);
    pen.strokeStyle = colour("ink");
    for (const { startS, endS } of this.ghosts) pen.strokeRect(x(startS) + 1.5, 3.5, Math.max(2, x(endS) - x(startS) - 3), floor - 7);
    pen.setLineDash([]);
    this.#paintDraft(pen, x, width, floor, colour("accent"));
    if (this.#strip) this.#paintStrip(pen, width, floor, from, to, colour);
    this.#paintTicks(pen, x, width, height, colour);
    if (this.note) {
      pen.fillStyle = colour("soft");
      pen.font = "13px system-ui, sans-serif";
      pen.textAlign = "left";
      pen.fillText(this.note, 10, floor / 2 + 4);
    }
    if (to - from < this.durationS * 0.999) {
      pen.fillStyle = colour("line");
      pen.fillRect(0, floor - 3, width, 3);
      pen.fillStyle = colour("accent");
      pen.fillRect((from / this.durationS) * width, floor - 3, Math.max(8, ((to - from) / this.durationS) * width), 3);
    }
    pen.fillStyle = colour("bad");
    pen.fillRect(x(this.timeS) - 1, 0, 2, floor);
    pen.beginPath();
    pen.arc(x(this.timeS), 4, 4, 0, 7);
    pen.fill();
  }

  #paintDraft(pen, x, width, floor, accent) {
    if (!this.draft) return;
    const { startS, endS } = this.draft;
    pen.fillStyle = pen.strokeStyle = accent;
    if (startS !== null && endS !== null && endS > startS) {
      pen.globalAlpha = 0.2;
      pen.fillRect(x(startS), 0, x(endS) - x(startS), floor);
      pen.globalAlpha = 1;
    }
    for (const [timeS, side] of [[startS, 1], [endS, -1]]) {
      if (timeS === null) continue;
      pen.fillRect(x(timeS) - 1, 0, 2, floor);
      pen.fillRect(x(timeS) - (side < 0 ? 7 : 0), 0, 7, 3);
      pen.fillRect(x(timeS) - (side < 0 ? 7 : 0), floor - 3, 7, 3);
    }
  }

  #paintStrip(pen, width, floor, from, to, colour) {
    const { stepS, motion, sound } = this.#strip;
    const base = sound ? floor * 0.62 : floor;
    const paint = (values, up, fill, alpha) => {
      pen.fillStyle = fill;
      pen.globalAlpha = alpha;
      pen.beginPath();
      pen.moveTo(0, base);
      for (let column = 0; column <= width; column++) {
        const first = Math.floor((from + (column / width) * (to - from)) / stepS);
        const last = Math.max(first + 1, Math.floor((from + ((column + 1) / width) * (to - from)) / stepS));
        let most = 0;
        for (let place = first; place < last && place < values.length; place++) most = Math.max(most, values[place]);
        const size = (most / 255) * (up ? base - 8 : floor - base - 5);
        pen.lineTo(column, up ? base - size : base + size);
      }
      pen.lineTo(width, base);
      pen.fill();
      pen.globalAlpha = 1;
    };
    paint(motion, true, colour("accent"), 0.75);
    if (sound) paint(sound, false, colour("soft"), 0.6);
  }

  #paintTicks(pen, x, width, height, colour) {
    const [from, to] = this.view;
    const step = TICKS_S.find((tick) => (tick / (to - from)) * width > 78) ?? 7200;
    pen.fillStyle = colour("soft");
    pen.font = "12px system-ui, sans-serif";
    for (let n = Math.ceil(from / step); n * step <= to; n++) {
      const left = x(n * step);
      pen.globalAlpha = 0.35;
      pen.fillRect(left, 0, 1, height - FOOT + 4);
      pen.globalAlpha = 1;
      const text = step < 1 ? this.say(n * step) : this.say(n * step).replace(/\.\d+$/, "");
      const room = pen.measureText(text).width;
      pen.textAlign = "left";
      if (left + 4 + room < width) pen.fillText(text, left + 4, height - 5);
    }
  }
}

function unpack(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
