// The clip rater's page part: an ES module that anywidget loads, without a build step.
//
// Every press goes into the browser's own storage first, then to the kernel, and leaves the storage
// only when the kernel says that it is in the label store. A press that meets a dead kernel is sent
// again by the next view of the same record; its entry_id keeps it from counting twice.

const STARS = [1, 2, 3, 4, 5];
const STAR_SHAPE =
  '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2.2l3 6.3 6.9.9-5 4.8 1.2 6.8L12 17.7 5.9 21l1.2-6.8-5-4.8 6.9-.9z"/></svg>';
const KERNEL_IS_LATE_MS = 4000;
const RETRY_MS = 3000;
const KEPT_VIDEOS = 6; // of those that the kernel sends

function baseUrl() {
  const config = document.getElementById("jupyter-config-data");
  const base = config ? JSON.parse(config.textContent).baseUrl : document.body.dataset.baseUrl;
  return base ? (base.endsWith("/") ? base : `${base}/`) : null;
}

function fileUrl(base, path) {
  return `${base}files/${path.split("/").map(encodeURIComponent).join("/")}`;
}

class Rater {
  constructor(model, host) {
    this.model = model;
    this.host = host;
    this.clips = model.get("clips");
    this.classes = model.get("classes"); // empty where stars are asked for
    this.word = this.classes.length ? "labelled" : "rated";
    this.byKernel = model.get("by_kernel"); // the page has no address for the clips
    this.sent = new Map(); // item id → address of the video that the kernel has sent
    this.base = baseUrl();
    this.unsaved = new Unsaved(model.get("record"));
    this.shown = new Set(this.clips.map((clip) => clip.id));
    this.visited = [];
    this.pressTimes = [];
    this.problem = null;
    this.build();
    this.readRatings();
    this.bindKeys();
    this.onRatings = () => {
      this.readRatings();
      this.draw();
    };
    this.onAnswer = (answer, buffers) => ("video" in answer ? this.receive(answer, buffers) : this.heard(answer));
    model.on("change:ratings", this.onRatings);
    model.on("msg:custom", this.onAnswer);
    for (const press of this.waiting()) this.send(press);
    const first = this.nextUnrated(-1);
    this.show(first ?? this.clips.length);
  }

  end() {
    this.model.off("change:ratings", this.onRatings);
    this.model.off("msg:custom", this.onAnswer);
    clearTimeout(this.late);
    clearTimeout(this.retry);
    for (const video of this.videos) video.removeAttribute("src");
    for (const url of this.sent.values()) URL.revokeObjectURL(url);
  }

  // ---- what is rated ------------------------------------------------------------------------

  waiting() {
    return this.unsaved.all().filter((press) => this.shown.has(press.item_id));
  }

  readRatings() {
    this.ratings = { ...this.model.get("ratings") };
    this.comments = { ...this.model.get("comments") };
    for (const press of this.waiting()) this.keep(press);
  }

  keep(press) {
    const kept = press.kind === "comment" ? this.comments : this.ratings;
    if (press.value) kept[press.item_id] = press.value;
    else delete kept[press.item_id];
  }

  saveComment() {
    const clip = this.clips[this.place];
    const text = this.comment.value.trim();
    if (!clip || text === (this.comments[clip.id]?.text ?? "")) return;
    this.press({ entry_id: newId(), item_id: clip.id, kind: "comment", value: text ? { text } : null });
    this.say(text ? `${clip.id}: comment kept` : `${clip.id}: comment removed`);
    this.draw();
  }

  press(press) {
    this.unsaved.add(press);
    this.keep(press);
    this.send(press);
  }

  rate(value) {
    const clip = this.clips[this.place];
    if (!clip) return;
    const before = this.ratings[clip.id];
    if (!value && !before) {
      this.say(`${clip.id}: there is nothing to clear`);
      return;
    }
    this.press({ entry_id: newId(), item_id: clip.id, value });
    this.say(value ? `${clip.id}  ${inWords(value)}` : `${clip.id}: cleared`);
    if (!value || (value.classes && this.model.get("several"))) {
      this.draw();
      return;
    }
    this.goOn();
  }

  goOn() {
    this.pressTimes.push(performance.now());
    this.go(this.nextUnrated(this.place) ?? this.place + 1);
  }

  /** A class's key: the clip shows this one; where it may show several, this one too or no more. */
  classify(name) {
    const clip = this.clips[this.place];
    if (!clip) return;
    if (!this.model.get("several")) {
      this.rate({ classes: [name] });
      return;
    }
    const before = this.ratings[clip.id]?.classes ?? [];
    const others = before.filter((each) => each !== name && (each === "none") === (name === "none"));
    const now = before.includes(name) ? others : name === "none" ? [name] : [...others, name].sort();
    this.rate(now.length ? { classes: now } : null);
  }

  send(press) {
    try {
      this.model.send(press);
    } catch {
      // The connection is gone: the press stays unsaved and the line below says so.
    }
    clearTimeout(this.late);
    this.late = setTimeout(() => this.drawSaved(true), KERNEL_IS_LATE_MS);
  }

  heard({ entry_id: entryId, problem }) {
    this.problem = problem;
    if (problem) {
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.waiting().forEach((press) => this.send(press)), RETRY_MS);
    } else {
      this.unsaved.remove(entryId);
    }
    this.drawSaved();
  }

  // ---- where one is ---------------------------------------------------------------------------

  nextUnrated(from) {
    const count = this.clips.length;
    for (let step = 1; step <= count; step++) {
      const place = (from + step + count) % count;
      if (!this.ratings[this.clips[place].id]) return place;
    }
    return null;
  }

  go(place) {
    if (place < 0 || place > this.clips.length || place === this.place) return;
    this.visited.push(this.place);
    this.show(place);
  }

  back() {
    const place = this.visited.pop() ?? this.place - 1;
    if (place >= 0) this.show(place);
  }

  show(place) {
    this.place = place;
    this.help.hidden = true;
    this.draw();
    const playing = this.clips[place];
    const ahead = this.nextUnrated(place);
    const wanted = [playing, this.clips[ahead === place ? place + 1 : ahead]].map((clip) => clip?.file);
    // The clip after this one is already there when its turn comes: the two players swap roles.
    if (this.videos[1].dataset.file && this.videos[1].dataset.file === wanted[0]) this.videos.reverse();
    this.videos.forEach((video, role) => this.load(video, wanted[role], role === 0));
  }

  load(video, file, isShown) {
    video.hidden = !isShown;
    video.preload = "auto";
    if (!this.base && !this.byKernel) return;
    if ((video.dataset.file ?? "") !== (file ?? "")) {
      video.dataset.file = file ?? "";
      const url = file && (this.byKernel ? this.ask(file) : fileUrl(this.base, file));
      if (url) video.src = url;
      else video.removeAttribute("src");
    }
    if (!isShown) {
      video.pause();
      return;
    }
    this.cover.hidden = true;
    if (!file || !video.hasAttribute("src")) return;
    if (video.error) this.explain(video);
    if (video.readyState > 0) video.currentTime = 0;
    video.play().catch(() => {}); // refused while the page is hidden; Space starts it
  }

  /** The address of a video that the kernel has sent; null once it has been asked for it. */
  ask(file) {
    const { id } = this.clips.find((clip) => clip.file === file);
    if (!this.sent.has(id)) this.model.send({ video: id });
    return this.sent.get(id) ?? null;
  }

  receive({ video: id, type, problem }, [content] = []) {
    const file = this.clips.find((clip) => clip.id === id)?.file;
    if (problem) return file === this.videos[0].dataset.file ? this.block(`${id}: ${problem}`) : undefined;
    if (this.sent.has(id)) return;
    this.sent.set(id, URL.createObjectURL(new Blob([content], { type })));
    for (const [role, video] of this.videos.entries()) {
      if (video.dataset.file !== file) continue;
      video.src = this.sent.get(id);
      if (role === 0) video.play().catch(() => {});
    }
    // A few are kept, for going back; a whole session would fill the memory.
    for (const [old, url] of [...this.sent].slice(0, -KEPT_VIDEOS)) {
      if (this.videos.some((video) => video.src === url)) continue;
      URL.revokeObjectURL(url);
      this.sent.delete(old);
    }
  }

  async explain(video) {
    if (video !== this.videos[0] || !video.dataset.file || !video.hasAttribute("src")) return;
    const file = video.dataset.file;
    const answer = this.byKernel ? { ok: true } : await fetch(video.src, { method: "HEAD" }).catch(() => null);
    if (video !== this.videos[0] || video.dataset.file !== file) return;
    const reason = !answer
      ? "The Jupyter server does not answer."
      : answer.ok
        ? "This browser cannot play it: the codec is not one of its own. Cut it anew as H.264."
        : `Jupyter answers ${answer.status} for ${file}. Make the clips anew, or skip with ${keyName(this.model.get("key_table").skip.keys[0])}.`;
    this.block(`${this.clips[this.place]?.id ?? ""}: ${reason}`);
  }

  block(text) {
    this.cover.hidden = false;
    this.cover.textContent = text;
  }

  // ---- keys -----------------------------------------------------------------------------------

  bindKeys() {
    const keys = this.model.get("key_table");
    this.actionOf = new Map();
    for (const [action, { keys: codes }] of Object.entries(keys))
      for (const code of codes) this.actionOf.set(code, action);
    this.host.addEventListener("keydown", (event) => {
      if (event.target === this.comment) return this.typed(event);
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const shift = event.shiftKey ? "Shift+" : "";
      const letter = event.key.toLowerCase();
      const action =
        this.actionOf.get(shift + event.code) ?? this.actionOf.get(shift + letter) ?? this.actionOf.get(letter);
      if (!action) return;
      event.preventDefault();
      event.stopPropagation();
      const repeats = action === "previous" || action === "next";
      if (!event.repeat || repeats) this.act(action);
    });
  }

  typed(event) {
    event.stopPropagation(); // the notebook's keys rest
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") this.comment.value = this.comments[this.clips[this.place]?.id]?.text ?? "";
    this.takeKeys(); // the field says what it holds when it is left
  }

  act(action) {
    if (action.startsWith("stars_")) this.rate({ stars: Number(action.slice(6)) });
    else if (action.startsWith("class_")) this.classify(this.classes[Number(action.slice(6))]);
    else if (action === "several") this.goOn();
    else if (action === "unsure") this.rate({ unsure: true });
    else if (action === "skip") this.rate({ skipped: true });
    else if (action === "clear") this.rate(null);
    else if (action === "comment") this.comment.focus();
    else if (action === "back") this.back();
    else if (action === "previous") this.go(this.place - 1);
    else if (action === "next") this.go(this.place + 1);
    else if (action === "help") this.help.hidden = !this.help.hidden;
    else if (action === "leave") this.leave();
    else this.control(this.videos[0], action);
  }

  control(video, action) {
    if (action === "replay") video.currentTime = 0;
    if (action === "replay" || (action === "play" && video.paused)) video.play().catch(() => {});
    else if (action === "play") video.pause();
    else if (action === "sound") {
      for (const each of this.videos) each.muted = !each.muted;
      this.say(video.muted ? "sound off" : "sound on");
    }
  }

  takeKeys() {
    this.host.focus({ preventScroll: true });
    this.host.scrollIntoView({ block: "nearest" });
  }

  leave() {
    if (!this.help.hidden) {
      this.help.hidden = true;
      return;
    }
    const cell = this.host.closest("[tabindex]:not(.wb-rater)") ?? this.host.parentElement?.closest("[tabindex]");
    this.host.blur();
    cell?.focus();
  }

  // ---- what one sees --------------------------------------------------------------------------

  build() {
    const host = this.host;
    host.className = "wb-rater";
    host.tabIndex = 0;
    host.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves keys pressed in here alone
    host.setAttribute("role", "application");
    host.setAttribute("aria-label", "Clip rater. Press ? for the keys.");

    this.title = element("span", "wb-title");
    this.count = element("span", "wb-count");
    this.saved = element("span", "wb-saved");
    const head = element("header", "wb-head");
    head.append(this.title, this.count, this.saved);

    const stage = element("div", "wb-stage");
    this.videos = [0, 1].map(() => {
      const video = element("video", "wb-video");
      video.muted = true;
      video.loop = true;
      video.playsInline = true;
      video.addEventListener("error", () => this.explain(video));
      stage.append(video);
      return video;
    });
    this.done = element("div", "wb-done");
    this.cover = element("div", "wb-cover");
    this.cover.hidden = true;
    this.toast = element("div", "wb-toast");
    this.toast.setAttribute("role", "status");
    this.invite = element("div", "wb-invite", `Click here to ${this.classes.length ? "label" : "rate"} with the keyboard`);
    this.help = this.buildHelp();
    stage.append(this.done, this.cover, this.toast, this.invite, this.help);
    stage.addEventListener("click", () => this.takeKeys());

    host.append(head, stage, this.buildControls(), this.buildComment(), this.buildStrip());
    if (!this.base && !this.byKernel) this.block("This page is not JupyterLab: open the notebook there to see the clips.");
  }

  buildControls() {
    const controls = element("div", "wb-controls");
    const keys = this.model.get("key_table");
    const button = (action, content, className) => {
      const node = element("button", `wb-button ${className}`, content);
      node.type = "button";
      node.tabIndex = -1; // one stop for Tab; inside, the keys do it
      node.title = keys[action].help;
      node.append(element("kbd", "wb-key", keyName(keys[action].keys[0])));
      node.addEventListener("mousedown", (event) => event.preventDefault()); // focus stays on the host
      node.addEventListener("click", () => {
        this.takeKeys();
        this.act(action);
      });
      return node;
    };
    const stars = element("div", "wb-stars");
    this.classButtons = this.classes.map((name, place) => {
      const node = button(`class_${place}`, element("span", "wb-class-name", name), "wb-class-button");
      node.style.setProperty("--wb-class", this.colourOf(name));
      return node;
    });
    this.starButtons = (this.classes.length ? [] : STARS).map((number) => {
      const shape = element("span", "wb-star");
      shape.innerHTML = STAR_SHAPE;
      const node = button(`stars_${number}`, shape, "wb-star-button");
      node.setAttribute("aria-label", `${number} of 5 stars`);
      return node;
    });
    stars.append(...this.starButtons, ...this.classButtons);
    this.unsureButton = button("unsure", "Unsure", "");
    this.skipButton = button("skip", "Skip", "");
    const others = element("div", "wb-others");
    others.append(
      this.unsureButton,
      this.skipButton,
      ...(keys.several ? [button("several", "Next", "")] : []),
      button("clear", "Clear", ""),
      button("replay", "Replay", ""),
      button("back", "Back", ""),
      button("help", "Keys", ""),
    );
    controls.append(stars, others);
    return controls;
  }

  buildHelp() {
    const help = element("div", "wb-help");
    help.hidden = true;
    const list = element("dl", "wb-keys");
    const all = Object.entries(this.model.get("key_table"));
    for (const [, { keys, help: text }] of all) {
      const row = element("div", "");
      const term = element("dt", "");
      const names = [...new Set(keys.map(keyName))];
      term.append(...names.map((name) => element("kbd", "wb-key", name)));
      row.append(term, element("dd", "", text));
      list.append(row);
    }
    help.append(list);
    return help;
  }

  buildComment() {
    const key = keyName(this.model.get("key_table").comment.keys[0] ?? "");
    this.comment = element("input", "wb-comment");
    Object.assign(this.comment, { type: "text", maxLength: 1000, placeholder: `Comment  ( ${key} )`, tabIndex: -1 });
    this.comment.setAttribute("aria-label", "Comment on this clip");
    this.comment.addEventListener("change", () => this.saveComment());
    return this.comment;
  }

  buildStrip() {
    this.strip = element("div", "wb-strip");
    this.marks = this.clips.map((clip, place) => {
      const mark = element("i", "wb-mark");
      mark.title = clip.id;
      mark.addEventListener("click", () => {
        this.takeKeys();
        this.go(place);
      });
      return mark;
    });
    this.strip.append(...this.marks);
    return this.strip;
  }

  draw() {
    const clip = this.clips[this.place];
    const value = clip && this.ratings[clip.id];
    const rated = this.clips.filter((each) => this.ratings[each.id]).length;
    this.host.dataset.clip = clip?.id ?? "";
    this.host.dataset.rating = kindOf(value);
    this.title.textContent = clip ? clip.id : this.clips.length ? "All shown" : "No clips";
    this.count.textContent = [
      `${this.model.get("annotator")}: ${rated} of ${this.clips.length} ${this.word}`,
      this.timeLeft(this.clips.length - rated),
    ]
      .filter(Boolean)
      .join(" · ");
    this.starButtons.forEach((node, place) => {
      node.classList.toggle("wb-on", (value?.stars ?? 0) > place);
      node.setAttribute("aria-pressed", String(value?.stars === place + 1));
    });
    this.classButtons.forEach((node, place) => {
      const isOn = Boolean(value?.classes?.includes(this.classes[place]));
      node.classList.toggle("wb-on", isOn);
      node.setAttribute("aria-pressed", String(isOn));
    });
    this.unsureButton.classList.toggle("wb-on", Boolean(value?.unsure));
    this.skipButton.classList.toggle("wb-on", Boolean(value?.skipped));
    this.marks.forEach((mark, place) => {
      mark.className = `wb-mark wb-${kindOf(this.ratings[this.clips[place].id])}`;
      mark.classList.toggle("wb-here", place === this.place);
      mark.title = [this.clips[place].id, this.comments[this.clips[place].id]?.text].filter(Boolean).join(": ");
      const said = this.ratings[this.clips[place].id]?.classes;
      mark.style.background = said ? this.colourOf(said[0]) : "";
    });
    if (document.activeElement !== this.comment) this.comment.value = this.comments[clip?.id]?.text ?? "";
    this.comment.disabled = !clip;
    this.drawDone(!clip);
    this.drawSaved();
  }

  /** A class's colour, the one of the figures; of a class that is not listed any more, grey. */
  colourOf(name) {
    return this.model.get("colours")[name] ?? "#8c8c8c";
  }

  timeLeft(clipsLeft) {
    const times = this.pressTimes.slice(-21);
    if (times.length < 4 || !clipsLeft) return "";
    const steps = times.slice(1).map((time, place) => time - times[place]);
    steps.sort((one, other) => one - other); // the median: a coffee break is not the pace
    const minutes = (steps[Math.floor(steps.length / 2)] * clipsLeft) / 60000;
    return minutes < 1 ? "less than a minute left" : `about ${Math.round(minutes)} min left`;
  }

  drawDone(isDone) {
    this.done.hidden = !isDone;
    if (!isDone) return;
    const values = this.clips.map((clip) => this.ratings[clip.id]);
    const kinds = values.map(kindOf);
    const rows = this.classes.length
      ? this.classes.map((name) => [name, "class", values.filter((one) => one?.classes?.includes(name)).length])
      : [...STARS].reverse().map((stars) => ["★".repeat(stars), `stars${stars}`]);
    rows.push(["unsure", "unsure"], ["skipped", "skipped"], [`not ${this.word}`, "none"]);
    const counts = rows.map(([label, kind, number]) => [
      label,
      kind,
      number ?? kinds.filter((each) => each === kind).length,
    ]);
    const most = Math.max(1, ...counts.map(([, , number]) => number));
    const table = element("div", "wb-counts");
    for (const [label, kind, number] of counts) {
      if (!number && !kind.startsWith("stars") && kind !== "class") continue;
      const bar = element("span", `wb-bar wb-${kind}`);
      bar.style.width = `${(100 * number) / most}%`;
      if (kind === "class") bar.style.background = this.colourOf(label);
      const track = element("span", "wb-track", bar);
      table.append(element("span", "wb-bar-label", label), track, element("span", "wb-bar-count", String(number)));
    }
    const left = kinds.filter((each) => each === "none").length;
    const said = left ? `${left} of ${values.length} not ${this.word} yet` : `All ${values.length} ${this.word}`;
    this.done.replaceChildren(
      element("p", "wb-done-title", this.clips.length ? said : "There are no clips to rate"),
      table,
    );
  }

  drawSaved(isLate = false) {
    const waiting = this.waiting().length;
    this.saved.classList.toggle("wb-warn", Boolean(waiting && (isLate || this.problem)));
    if (!waiting) {
      clearTimeout(this.late);
      this.saved.textContent = "saved";
    } else if (this.problem) {
      this.saved.textContent = `${waiting} not saved, trying again – ${this.problem}`;
    } else if (isLate) {
      this.saved.textContent = `${waiting} not saved: the kernel does not answer. If it was restarted, run this cell again`;
    } else {
      this.saved.textContent = "saving …";
    }
    this.host.dataset.unsaved = String(waiting);
  }

  say(text) {
    this.toast.textContent = text;
    this.toast.getAnimations().forEach((animation) => animation.cancel());
    this.toast.animate([{ opacity: 1 }, { opacity: 1, offset: 0.7 }, { opacity: 0 }], {
      duration: 1600,
      fill: "forwards",
    });
  }
}

function render({ model, el }) {
  const host = document.createElement("div");
  el.append(host);
  const rater = new Rater(model, host);
  return () => rater.end();
}

export default { render };
