// Labels: what this person has said, sent to the server at once and kept until it has answered.
//
// Every change is an appended entry with an id made here, so sending it again does no harm. What has
// not been acknowledged waits in localStorage: it outlives the page, the server and the network.
// Undo appends an entry that takes another back; the history alone decides what can be undone, so
// undo also works after a restart. What stands is worked out as in workbench/labels/history.py.
//
//     const labels = new Labels({ annotator: "kim" });
//     await labels.load({ kind: "cut", source_id: mediaId }); // the scope of undo and redo
//     labels.append({ kind: "cut", item_id: newId(), value: {...} });
//     labels.current(); // Map item_id → standing entry of this annotator
//     labels.undo(); labels.redo();
//
// Events: "change" (entries came or were taken back), "status" (detail: {waiting, isOffline}),
// "refused" (detail: {entry, problem, remedy}: the server will never take it; it is dropped).

const RETRY_MS = [500, 1000, 2000, 5000];

export class Labels extends EventTarget {
  #scope = {};
  #all = []; // entries in scope of every annotator, oldest first
  #queue; // entries the server has not acknowledged
  #isSending = false;
  #tries = 0;
  #storageKey;

  // A page that holds several of these names each `part`, so that each keeps its own.
  constructor({ annotator, part = "" }) {
    super();
    this.#storageKey = `workbench-unsent-${location.pathname}${part && `#${part}`}`;
    this.annotator = annotator;
    this.isOffline = false;
    this.isUnknown = false; // the server asks for its address with the token again
    this.#queue = readQueue(this.#storageKey);
    addEventListener("online", () => this.#send());
    addEventListener("beforeunload", (event) => {
      if (this.#queue.length && this.isOffline) event.preventDefault();
    });
    this.#send();
  }

  get waiting() {
    return this.#queue.length;
  }

  // Read the history of a kind and source; entries still waiting are part of it. What is said from
  // now on belongs to the new scope, and the answer of an earlier call that comes later is dropped.
  async load(scope) {
    this.#scope = scope;
    this.#all = this.#queue.filter((entry) => inScope(entry, scope));
    const query = new URLSearchParams(Object.entries(scope).filter(([, value]) => value != null));
    const answer = await fetch(`api/labels?${query}`);
    const content = await answer.json();
    if (!answer.ok) throw new Error(`${content.problem}: ${content.remedy}`);
    if (this.#scope !== scope) return this;
    const known = new Set(content.map((entry) => entry.entry_id));
    this.#all = [...content, ...this.#all.filter((entry) => !known.has(entry.entry_id))];
    this.#say("change");
    this.#say("status", this.#status());
    this.#send();
    return this;
  }

  // All entries in scope, of everybody; for review.
  get entries() {
    return [...this.#all];
  }

  get mine() {
    return this.#all.filter((entry) => entry.annotator === this.annotator);
  }

  // item_id → the entry that stands, of one annotator; cleared items are left out.
  current(annotator = this.annotator) {
    return fold(this.#all.filter((entry) => entry.annotator === annotator)).current;
  }

  // Say something; returns the entry at once, the server's answer comes as an event.
  append({ kind = this.#scope.kind, item_id, value, source_id = this.#scope.source_id ?? null, undoes = null }) {
    const entry = {
      entry_id: newId(), kind, item_id, source_id, value, undoes,
      annotator: this.annotator, created_at: new Date().toISOString(),
    };
    if (inScope(entry, this.#scope)) this.#all.push(entry);
    this.#queue.push(entry);
    this.#keep();
    this.#say("change");
    this.#say("status", this.#status());
    this.#send();
    return entry;
  }

  get canUndo() {
    return fold(this.mine).done.length > 0;
  }

  get canRedo() {
    return fold(this.mine).undone.length > 0;
  }

  // Take back the last thing said; returns the entry taken back, or null.
  undo() {
    const last = fold(this.mine).done.at(-1);
    if (!last) return null;
    this.#takeBack(last, last);
    return last;
  }

  // Say again what was last taken back; returns the entry that stands again, or null.
  redo() {
    const last = fold(this.mine).undone.at(-1);
    if (!last) return null;
    this.#takeBack(last.undo, last.label);
    return last.label;
  }

  // Resolves once everything said so far is stored.
  async settled() {
    while (this.#queue.length) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #takeBack(entry, label) {
    const { kind, item_id, source_id } = label;
    this.append({ kind, item_id, source_id, value: null, undoes: entry.entry_id });
  }

  // One at a time and in order: an undo must not overtake what it takes back.
  async #send() {
    if (this.#isSending) return;
    this.#isSending = true;
    while (this.#queue.length) {
      const entry = this.#queue[0];
      const { created_at, ...body } = entry;
      let answer = null;
      try {
        answer = await fetch("api/labels", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(20_000),
        });
      } catch {
        // no network, or no server: try again below
      }
      if (answer?.ok) {
        this.#drop(entry);
        const stored = await answer.json().catch(() => null);
        if (stored) this.#all = this.#all.map((other) => (other.entry_id === entry.entry_id ? stored : other));
        this.#tries = 0;
        this.isOffline = this.isUnknown = false;
        this.#say("status", this.#status());
      } else if (answer && [400, 404, 409, 413, 415, 422].includes(answer.status)) {
        const said = await answer.json().catch(() => ({}));
        this.#drop(entry);
        this.#all = this.#all.filter((other) => other.entry_id !== entry.entry_id);
        this.#say("refused", { entry, problem: "the server refused a label", remedy: "reload the page", ...said });
        this.#say("change");
        this.#say("status", this.#status());
      } else {
        // Not reachable, busy, or it no longer knows us (401): what was said is kept.
        this.isOffline = true;
        this.isUnknown = answer?.status === 401;
        this.#say("status", this.#status());
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)]));
      }
    }
    this.#isSending = false;
  }

  #drop(entry) {
    this.#queue = this.#queue.filter((other) => other.entry_id !== entry.entry_id);
    this.#keep();
  }

  #keep() {
    try {
      localStorage.setItem(this.#storageKey, JSON.stringify(this.#queue));
    } catch {
      // private mode or full: the queue still lives as long as the page
    }
  }

  #status() {
    return { waiting: this.#queue.length, isOffline: this.isOffline, isUnknown: this.isUnknown };
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// What a history of one annotator comes to: what stands, what can be undone, what redone.
export function fold(entries) {
  const chain = new Map(); // entry_id → {label, keeps}
  const standing = new Map(); // entry_id of a label → whether it stands
  const labels = [];
  let done = [];
  let undone = []; // {label, undo}
  for (const entry of entries) {
    let link = { label: entry, keeps: true };
    if (entry.undoes == null) labels.push(entry);
    else {
      const before = chain.get(entry.undoes);
      if (!before) continue;
      link = { label: before.label, keeps: !before.keeps };
    }
    chain.set(entry.entry_id, link);
    standing.set(link.label.entry_id, link.keeps);
    done = done.filter((other) => other !== link.label);
    undone = undone.filter(({ label }) => label !== link.label);
    if (link.keeps) done.push(link.label);
    else undone.push({ label: link.label, undo: entry });
    if (entry.undoes == null) undone = [];
  }
  const current = new Map();
  for (const label of labels) if (standing.get(label.entry_id)) current.set(label.item_id, label);
  for (const [item, label] of current) if (label.value === null) current.delete(item);
  return { current, done, undone };
}

// A random UUID; crypto.randomUUID alone would fail on plain http from another computer.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function inScope(entry, scope) {
  return ["kind", "source_id", "item_id", "annotator"].every((name) => scope[name] == null || entry[name] === scope[name]);
}

function readQueue(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}
