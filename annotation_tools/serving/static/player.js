// A <video> that knows which frame it shows.
//
// Browsers seek by seconds and round as they like, so a frame is asked for by the middle of the time
// it is shown, taken from the file's own time stamps, and what really came on the screen is read
// back from requestVideoFrameCallback. Frames are counted from 0 in presentation order, as in the
// label database. Knows nothing about labels or keys.
//
//     const table = await FrameTable.load(mediaId);
//     const player = new Player(document.querySelector("video"));
//     player.addEventListener("frame", () => show(player.frame, table.pts[player.frame]));
//     await player.open(`media/${mediaId}`, table);
//     await player.seek(120); // resolves to the frame on the screen
//
// Events: "frame" (another frame is shown), "state" (playing, speed, loop), "problem" (detail: text).

const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 8];
const CONFIRM_MS = 700; // give up waiting for the browser to say what it shows
const OPEN_MS = 20_000;

export class FrameTable {
  static async load(mediaId) {
    const answer = await fetch(`api/media/${encodeURIComponent(mediaId)}/frames`);
    const content = await answer.json();
    if (!answer.ok) throw new Error(`${content.problem}: ${content.remedy}`);
    return new FrameTable(content);
  }

  constructor(content) {
    this.info = content;
    this.count = content.frame_count;
    this.fps = content.fps[0] / content.fps[1];
    this.timeBase = content.time_base[0] / content.time_base[1];
    this.endPts = content.end_pts;
    this.pts = new Float64Array(this.count);
    let pts = (this.pts[0] = content.first_pts);
    let place = 1;
    for (const [step, times] of content.steps)
      for (let n = 0; n < times; n++) this.pts[place++] = pts += step;
  }

  get durationS() {
    return (this.endPts - this.pts[0]) * this.timeBase;
  }

  ptsAfter(frame) {
    return frame + 1 < this.count ? this.pts[frame + 1] : this.endPts;
  }

  // Seconds from the first frame at which a frame appears; `count` gives the end.
  startS(frame) {
    const pts = frame < this.count ? this.pts[frame] : this.endPts;
    return (pts - this.pts[0]) * this.timeBase;
  }

  middleS(frame) {
    return ((this.pts[frame] + this.ptsAfter(frame)) / 2 - this.pts[0]) * this.timeBase;
  }

  clamp(frame) {
    return Math.max(0, Math.min(this.count - 1, Math.round(frame)));
  }

  // The frame on the screen at a time: the last that is due by then.
  frameAt(seconds) {
    const pts = this.pts[0] + seconds / this.timeBase;
    let low = 0;
    let high = this.count;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.pts[middle] <= pts) low = middle;
      else high = middle;
    }
    return low;
  }

  // The frame that starts at a time, however the browser rounded it.
  frameNear(seconds) {
    const frame = this.frameAt(seconds);
    if (frame + 1 >= this.count) return frame;
    const nearer = this.startS(frame + 1) - seconds < seconds - this.startS(frame);
    return nearer ? frame + 1 : frame;
  }

  timecode(frame) {
    return timecode(this.startS(frame));
  }
}

// 3723.5 → "1:02:03.500"
export function timecode(seconds) {
  const ms = Math.round(seconds * 1000);
  const [h, m, s] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  const two = (n) => String(n).padStart(2, "0");
  return `${h ? `${h}:${two(m)}` : m}:${two(s)}.${String(ms % 1000).padStart(3, "0")}`;
}

// What people type to go somewhere: "750" or "f750" is a frame, "12.5s" or "1:02:03.5" a time.
// Returns a frame number, or null where it is neither.
export function parsePlace(text, table) {
  const typed = text.trim().replace(",", ".");
  let match = /^f?(\d+)$/i.exec(typed);
  if (match) return table.clamp(Number(match[1]));
  match = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)s?$/i.exec(typed);
  if (!match) return null;
  const [, h = 0, m = 0, s] = match;
  return table.frameAt(Math.min(table.durationS, Number(h) * 3600 + Number(m) * 60 + Number(s)));
}

export class Player extends EventTarget {
  #target = null; // the frame being sought
  #waiting = []; // promises to settle once it is shown
  #offset = 0; // mediaTime of frame 0
  #reverse = 0; // speed backwards; 0 while not going backwards
  #opening = 0; // counts calls of `open`, so that an old one gives way

  constructor(video) {
    super();
    this.video = video;
    this.table = null;
    this.frame = 0; // on the screen, as the browser says
    this.isConfirmed = false; // whether the browser has said so, or we infer it
    this.loopRange = null; // [start, end) or null
    this.speed = 1;
    video.playsInline = true;
    video.preload = "auto";
    video.addEventListener("play", () => this.#say("state"));
    video.addEventListener("pause", () => this.#say("state"));
    video.addEventListener("ended", () => this.#atEnd());
    video.addEventListener("error", () => this.#broken());
    this.#watch();
  }

  get isPlaying() {
    return this.#reverse > 0 || !this.video.paused;
  }

  get isReversing() {
    return this.#reverse > 0;
  }

  // Where the player is or is about to be: what steps count from.
  get goal() {
    return this.#target ?? this.frame;
  }

  async open(url, table) {
    const turn = ++this.#opening;
    this.#stopReverse();
    this.#settle();
    this.table = null;
    this.loopRange = null;
    this.isConfirmed = false;
    this.#target = null;
    this.video.pause();
    const first = this.#nextShown(OPEN_MS);
    this.video.src = url;
    this.video.load();
    this.video.playbackRate = this.speed;
    await loaded(this.video);
    const mediaTime = await first;
    if (turn !== this.#opening) return;
    // Some browsers count from the file's first time stamp, some from zero; frame 0 tells which.
    this.#offset = mediaTime ?? 0;
    this.table = table;
    this.#shows(this.#offset, mediaTime !== null);
    this.#say("state");
  }

  // Show a frame; resolves to the frame on the screen. Seeks asked for meanwhile are skipped over.
  seek(frame) {
    if (!this.table) return Promise.resolve(this.frame);
    this.#stopReverse();
    return this.#seek(frame);
  }

  step(frames) {
    this.pause();
    return this.seek(this.goal + frames);
  }

  stepSeconds(seconds) {
    if (!this.table) return Promise.resolve(this.frame);
    const from = this.table.middleS(this.table.clamp(this.goal));
    return this.seek(this.table.frameAt(Math.max(0, from + seconds)));
  }

  async play(speed = this.speed) {
    this.#stopReverse();
    this.setSpeed(speed);
    if (!this.table) return;
    const last = this.loopRange ? this.loopRange[1] - 1 : this.table.count - 1;
    if (this.goal >= last) await this.#seek(this.loopRange ? this.loopRange[0] : 0);
    try {
      await this.video.play();
    } catch (error) {
      if (error.name !== "AbortError") this.#say("problem", `the video does not play: ${error.message}`);
    }
  }

  pause() {
    const wasPlaying = this.isPlaying;
    this.#stopReverse();
    this.video.pause();
    // Stand in the middle of the frame on the screen, so that nothing moves it later.
    if (wasPlaying && this.table) this.#seek(this.frame);
    this.#say("state");
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  // The L key: forwards, twice as fast each time.
  forward() {
    const faster = !this.video.paused && !this.isReversing && this.speed >= 1;
    return this.play(faster ? Math.min(8, this.speed * 2) : 1);
  }

  // The J key: backwards, twice as fast each time. No browser plays backwards: frames are sought.
  async reverse() {
    if (!this.table) return;
    const speed = this.#reverse ? Math.min(8, this.#reverse * 2) : 1;
    this.video.pause();
    const mine = (this.#reverse = speed);
    const from = this.goal;
    const began = performance.now();
    this.#say("state");
    while (this.#reverse === mine) {
      const gone = ((performance.now() - began) / 1000) * speed * this.table.fps;
      const wanted = Math.max(0, Math.min(this.goal - 1, Math.round(from - gone)));
      await this.#seek(wanted);
      if (wanted === 0) this.#stopReverse();
      await new Promise(requestAnimationFrame);
    }
  }

  setSpeed(speed) {
    this.speed = speed;
    this.video.playbackRate = speed;
    this.#say("state");
  }

  faster() {
    this.setSpeed(SPEEDS.find((speed) => speed > this.speed) ?? this.speed);
  }

  slower() {
    this.setSpeed(SPEEDS.findLast((speed) => speed < this.speed) ?? this.speed);
  }

  // Play [start, end) over and over; null ends it.
  loop(range) {
    this.loopRange = range;
    this.#say("state");
    if (!range) return;
    this.seek(range[0]).then(() => this.loopRange === range && this.play());
  }

  #seek(frame) {
    this.#target = this.table.clamp(frame);
    const shown = new Promise((resolve) => this.#waiting.push(resolve));
    if (this.#waiting.length === 1) this.#chase();
    return shown;
  }

  // Go to the newest target until it is reached: dragging along the timeline stays quick.
  async #chase() {
    const table = this.table;
    while (this.#target !== null && this.table === table) {
      const wanted = this.#target;
      await this.#show(wanted);
      if (this.#target === wanted) this.#target = null;
    }
    if (this.table === table) this.#settle();
  }

  #settle() {
    for (const resolve of this.#waiting.splice(0)) resolve(this.frame);
  }

  async #show(frame) {
    const table = this.table;
    const sought = once(this.video, "seeked", CONFIRM_MS * 10);
    this.video.currentTime = this.#offset + table.middleS(frame);
    const deadline = performance.now() + CONFIRM_MS;
    let shown = this.#nextShown(CONFIRM_MS);
    await sought;
    // The first report after a seek may still be of the picture before it.
    while (this.table === table) {
      const mediaTime = await shown;
      if (mediaTime !== null && table.frameNear(mediaTime - this.#offset) === frame) return;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      shown = this.#nextShown(leftMs);
    }
    // Without a report (a hidden tab): infer it from the clock, and say so.
    if (this.table === table && this.video.paused)
      this.#shows(this.video.currentTime, false, table.frameAt(this.video.currentTime - this.#offset));
  }

  #nextShown(timeoutMs) {
    if (!this.video.requestVideoFrameCallback)
      return new Promise((resolve) => setTimeout(() => resolve(null), Math.min(timeoutMs, 60)));
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), timeoutMs);
      this.video.requestVideoFrameCallback((now, { mediaTime }) => {
        clearTimeout(timer);
        resolve(mediaTime);
      });
    });
  }

  #watch() {
    if (!this.video.requestVideoFrameCallback) {
      this.video.addEventListener("timeupdate", () => {
        if (this.table && !this.video.paused)
          this.#shows(0, false, this.table.frameAt(this.video.currentTime - this.#offset));
      });
      return;
    }
    const report = (now, { mediaTime }) => {
      if (this.table) this.#shows(mediaTime, true);
      this.video.requestVideoFrameCallback(report);
    };
    this.video.requestVideoFrameCallback(report);
  }

  #shows(mediaTime, isConfirmed, frame = this.table.frameNear(mediaTime - this.#offset)) {
    this.frame = frame;
    this.isConfirmed = isConfirmed;
    this.#say("frame");
    const loop = this.loopRange;
    if (loop && !this.video.paused && this.#target === null && frame >= loop[1] - 1) this.#seek(loop[0]);
  }

  #atEnd() {
    if (this.loopRange) this.#seek(this.loopRange[0]).then(() => this.loopRange && this.video.play());
    else this.#say("state");
  }

  #stopReverse() {
    if (!this.#reverse) return;
    this.#reverse = 0;
    this.#say("state");
  }

  #broken() {
    const codes = { 2: "the connection broke", 3: "it cannot be decoded", 4: "this browser cannot play it" };
    const code = this.video.error?.code;
    if (code && this.video.getAttribute("src")) this.#say("problem", codes[code] ?? "it does not play");
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function once(target, type, timeoutMs) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    target.addEventListener(type, () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function loaded(video) {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const on = (type, act) => video.addEventListener(type, () => (stop.abort(), act()), stop);
    on("loadeddata", resolve);
    // Setting a source empties the element, too, and says so only after this call: what is emptied
    // once the new video has begun to load was emptied by the next one.
    let begun = false;
    video.addEventListener("loadstart", () => (begun = true), stop);
    const overtaken = () => reject(new DOMException("another video was opened", "AbortError"));
    video.addEventListener("emptied", () => begun && (stop.abort(), overtaken()), stop);
    on("error", () => reject(new Error(video.error?.message || "this browser cannot play the video")));
  });
}
