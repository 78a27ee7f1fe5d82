// The front page: the tools, what waits, the reports. It looks again whenever it is shown.

import { Keys, element } from "../shared/keys.js";
import { annotatorOf, fetchJson, notice } from "../shared/page.js";

const $ = (selector) => document.querySelector(selector);
const [session, keyTable] = await Promise.all([fetchJson("api/session"), Keys.load()]);
const who = $("#annotator");
who.value = annotatorOf(session);

function tool({ title, job, href, facts, missing }) {
  const head = element("h2", {}, href ? element("a", { href }, title) : title);
  const card = element("article", { className: "panel" }, head, element("p", {}, job));
  if (missing) card.append(element("p", { className: "missing" }, missing));
  else card.append(element("p", { className: "soft" }, facts.join(" · ")));
  if (title === "Rater") card.append(element("code", {}, "jupyter lab notebooks/10_cut_and_rate.ipynb"));
  return card;
}

function wait({ count, text, href }) {
  const words = [element("b", {}, String(count)), ` ${text}`];
  return element("li", {}, href ? element("a", { href }, ...words) : element("span", {}, ...words));
}

function report({ title, answer, verdict, status, when, href }) {
  const day = new Date(when).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const row = element("li", {}, element("a", { href }, title), element("span", { className: "soft small" }, day));
  const said = answer || (status === "ok" ? "" : `It ended as ${status}.`);
  if (said) row.append(element("p", { className: status === "ok" ? verdict.replace(/\W/g, "") : "bad" }, said));
  return row;
}

const nothing = (text) => element("li", { className: "soft" }, text);

async function look() {
  const found = await fetchJson(`api/overview?${new URLSearchParams({ annotator: who.value })}`).catch((error) => notice(error.message, true));
  if (!found) return;
  $("#tools").replaceChildren(...found.tools.map(tool));
  $("#waits").replaceChildren(...(found.waits.length ? found.waits.map(wait) : [nothing("Nothing waits for you.")]));
  $("#reports").replaceChildren(...(found.reports.length ? found.reports.map(report) : [nothing("No report yet: workbench run writes them.")]));
  $("#all").hidden = !found.index;
  if (found.index) $("#all").href = found.index;
  document.body.dataset.shown = "yes";
}

const follow = (selector) => () => $(selector)?.click();
new Keys(keyTable, {
  clipper: follow('#tools a[href="clipper/"]'),
  goals: follow('#tools a[href="goals/"]'),
  coach: follow('#tools a[href="coach/"]'),
  first: follow("#waits a"),
  refresh: look,
}).wire(document);

// The same name in every tool: it is kept as the tools keep it.
who.addEventListener("change", () => {
  const name = who.value.trim();
  if (name) localStorage.setItem(`workbench-annotator instead of ${session.annotator}`, name);
  who.value = annotatorOf(session);
  look();
});
who.addEventListener("keydown", (event) => event.key === "Enter" && who.blur());
addEventListener("pageshow", look);
addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
look();
