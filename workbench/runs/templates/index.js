// Search, filters, order, best run and comparison of two runs. The page can be read without it.
// What is chosen stands in the address, so that it survives the reload while stages run.
const store = document.getElementById("runs").dataset;
const runs = JSON.parse(store.runs), pairs = JSON.parse(store.pairs);
const form = document.getElementById("find"), panel = document.getElementById("comparison");
const cards = [...document.querySelectorAll("article.run")];
const element = (name, text = "", kind = "") => Object.assign(document.createElement(name), { textContent: text, className: kind });
const number = (value) => Number(value.toPrecision(3)).toString().replace("-", "−");
const signed = (value) => (value > 0 ? "+" : "") + number(value);
let picked = [];

function restore() {
  // An address such as #train names a section: nothing is chosen then.
  const chosen = new URLSearchParams(location.hash.slice(1));
  for (const field of form.elements) {
    if (field.type === "checkbox") field.checked = chosen.has(field.name);
    else if (field.name && field.tagName !== "OUTPUT") field.value = chosen.get(field.name) ?? "";
  }
  picked = chosen.getAll("run").filter((id) => id in runs).slice(-2);
}

function remember() {
  const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  for (const id of picked) chosen.append("run", id);
  history.replaceState(null, "", chosen.size ? `#${chosen}` : location.pathname);
}

function value(id, metric) {
  return runs[id].metrics.find((one) => one.name === metric)?.value;
}

function show() {
  const { text, stage, profile, verdict, metric, low } = form.elements;
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const direction = low.checked ? 1 : -1;
  const isNarrowed = words.length || stage.value || profile.value || verdict.value || metric.value;
  low.parentElement.hidden = !metric.value;
  let shown = 0;
  for (const section of document.querySelectorAll("section.stage")) {
    const own = [...section.querySelectorAll("article.run")];
    for (const card of own) {
      const run = runs[card.dataset.run];
      const said = `${section.id} ${card.textContent}`.toLowerCase();
      card.hidden = !(words.every((word) => said.includes(word)) && (!stage.value || section.id === stage.value)
        && (!profile.value || run.profile === profile.value) && (!verdict.value || run.verdict === verdict.value)
        && (!metric.value || value(card.dataset.run, metric.value) !== undefined));
      card.classList.remove("best");
      shown += !card.hidden;
    }
    const order = (card) => (metric.value && !card.hidden ? direction * value(card.dataset.run, metric.value) : 0);
    const sorted = own.sort((a, b) => order(a) - order(b) || runs[a.dataset.run].place - runs[b.dataset.run].place);
    const older = section.querySelector(".older"), newest = section.querySelector(".newest");
    sorted.forEach((card, place) => (metric.value || !older || place < Number(form.dataset.newest) ? newest : older).append(card));
    if (older) [older.hidden, older.open] = [Boolean(metric.value), Boolean(isNarrowed) || older.open];
    if (metric.value) sorted.find((card) => !card.hidden)?.classList.add("best");
    section.hidden = Boolean(isNarrowed) && own.every((card) => card.hidden);
  }
  form.elements.shown.value = isNarrowed ? `${shown} of ${cards.length} runs` : "";
  for (const card of cards) card.querySelector(".pick input").checked = picked.includes(card.dataset.run);
  compare();
}

function table(title, heads, rows) {
  const found = element("table"), head = found.createTHead().insertRow(), body = found.createTBody();
  for (const name of heads) head.append(Object.assign(element("th", name), { scope: "col" }));
  for (const [name, ...cells] of rows) {
    const row = body.insertRow();
    row.append(Object.assign(element("th", name), { scope: "row" }));
    for (const cell of cells) row.append(element("td", cell));
  }
  const scroll = element("div", "", "scroll");
  scroll.append(found);
  return [element("h3", title), scroll];
}

// Independent estimates: the ends of both intervals give those of the difference (MOVER).
function unpaired(a, b) {
  const gap = b.value - a.value, spread = (x, y) => Math.hypot(x, y);
  if (a.low === undefined || b.low === undefined) return signed(gap);
  const low = gap - spread(b.value - b.low, a.high - a.value), high = gap + spread(b.high - b.value, a.value - a.low);
  return `${signed(gap)} [${signed(low)}, ${signed(high)}] unpaired`;
}

function difference(first, second, metric) {
  const a = runs[first].metrics.find((one) => one.name === metric), b = runs[second].metrics.find((one) => one.name === metric);
  if (!a || !b) return "";
  const pair = pairs[`${first} ${second}`]?.[metric], mirrored = pairs[`${second} ${first}`]?.[metric];
  if (pair) return `${signed(pair.value)} [${signed(pair.low)}, ${signed(pair.high)}] paired, n = ${pair.n}`;
  if (mirrored) return `${signed(-mirrored.value)} [${signed(-mirrored.high)}, ${signed(-mirrored.low)}] paired, n = ${mirrored.n}`;
  return unpaired(a, b);
}

function compare() {
  panel.replaceChildren();
  panel.hidden = picked.length === 0;
  if (panel.hidden) return;
  const [first, second] = picked;
  const close = element("button", "Stop comparing");
  close.addEventListener("click", () => { picked = []; remember(); show(); });
  panel.append(element("h2", second ? `${first} and ${second}` : `${first} and … pick a second run`), close);
  if (!second) return;
  const shown = (id, name) => runs[id].params[name] ?? "–";
  const names = [...new Set([...Object.keys(runs[first].params), ...Object.keys(runs[second].params)])];
  const changed = names.filter((name) => shown(first, name) !== shown(second, name));
  const metrics = [...new Set([...runs[first].metrics, ...runs[second].metrics].map((one) => one.name))];
  const words = (id, name) => runs[id].metrics.find((one) => one.name === name)?.words ?? "–";
  const [left, right] = [runs[first].name, runs[second].name];
  panel.append(element("p", `${left}: ${runs[first].answer || "no answer"}`), element("p", `${right}: ${runs[second].answer || "no answer"}`));
  if (changed.length) panel.append(...table("Parameters that differ", ["", left, right], changed.map((name) => [name, shown(first, name), shown(second, name)])));
  else panel.append(element("p", "Their parameters are the same."));
  panel.append(...table("Numbers", ["", left, right, "second − first, 95 % interval"], metrics.map((name) => [name, words(first, name), words(second, name), difference(first, second, name)])));
}

function keepUp() {
  const age = document.getElementById("age"), seconds = (Date.now() - Date.parse(age.dataset.written)) / 1000;
  if (seconds > 60) age.textContent = "nothing was heard of the running stages for over a minute";
  else if (form.contains(document.activeElement)) setTimeout(keepUp, 4000);
  else location.reload();
}

for (const card of cards) {
  const pick = card.querySelector(".pick"), id = card.dataset.run;
  pick.hidden = false;
  pick.addEventListener("change", () => {
    picked = picked.includes(id) ? picked.filter((one) => one !== id) : [...picked, id].slice(-2);
    remember(); show();
  });
}
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => { remember(); show(); });
restore();
show();
if (store.running) setTimeout(keepUp, 4000);
