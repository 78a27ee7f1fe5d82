// Review: what everybody, and the model, says about the clip on the screen, side by side, and the last
// word. Knows nothing about where labels come from; what is clicked comes back as a call.

import { element } from "../shared/keys.js";
import { compare } from "./opinions.js";
import { VERDICTS, chip } from "./verdicts.js";

// Draw the opinions on one clip, and its last word. `acts`: goToFrame(frame), take(opinion),
// settle(verdict), reopen().
export function drawOpinions(place, opinions, lastWord, tolerance, acts) {
  const head = element("h2", {}, "Verdicts", stand(opinions, lastWord, tolerance));
  if (!opinions.length && !lastWord) {
    place.replaceChildren(head, element("p", { className: "soft" }, "Nobody has said anything yet."));
    return;
  }
  const list = element("ul", { className: "opinions" });
  for (const opinion of opinions) list.append(row(opinion, acts));
  place.replaceChildren(head, list, lastWord ? settledRow(lastWord, acts) : open(acts));
}

function stand(opinions, lastWord, tolerance) {
  const words = {
    differ: ["They disagree", "split"],
    apart: [`More than ${tolerance} frames apart`, "split"],
    agree: ["They agree", "soft"],
    "": [opinions.length ? "One verdict so far" : "", "soft"],
  };
  const [text, className] = lastWord ? ["Settled", "soft"] : words[compare(opinions, tolerance)];
  return element("span", { className }, text);
}

function row(opinion, acts) {
  const { who, isMe, isModel, verdict, eventFrame, score } = opinion;
  const name = element("span", { className: "name", title: who }, isMe ? "you" : who);
  if (isModel) name.append(element("span", { className: "soft" }, " (model)"));
  const facts = element("span", { className: "facts" });
  if (eventFrame !== null) facts.append(frameButton(eventFrame, acts));
  if (score !== null && score !== undefined)
    facts.append(element("span", { title: "how likely the model thinks a goal is, 0 to 1" }, score.toFixed(2)));
  if (isModel && verdict === "unsure") {
    // It has not said "unsure" as a person does, after a look: it has said nothing.
    const says = element("span", { className: "chip none", title: "the model gives no verdict here" }, "– abstains");
    return element("li", {}, name, facts, says);
  }
  const take = element("button", { className: "quiet take", type: "button", title: "settle the clip like this" }, "take");
  take.addEventListener("click", () => (take.blur(), acts.take(opinion)));
  return element("li", {}, name, facts, chip(verdict), take);
}

function settledRow({ who, verdict, event_frame }, acts) {
  const says = element("p", { className: "last-word" }, element("b", {}, "Settled"), ` by ${who} `, chip(verdict));
  if (event_frame !== null) says.append(" ", frameButton(event_frame, acts));
  const reopen = element("button", { className: "quiet", type: "button", title: "take your last word back" }, "×");
  reopen.addEventListener("click", () => (reopen.blur(), acts.reopen()));
  says.append(reopen);
  return says;
}

function open(acts) {
  const row = element("p", { className: "soft last-word" }, "Settle");
  for (const [name, { key, text }] of Object.entries(VERDICTS)) {
    const button = element("button", { type: "button", title: `the last word on this clip is: ${text}` }, text, element("kbd", {}, `⇧${key}`));
    button.addEventListener("click", () => (button.blur(), acts.settle(name)));
    row.append(button);
  }
  return row;
}

function frameButton(frame, acts) {
  const go = element("button", { className: "quiet", type: "button", title: "show this frame" }, `frame ${frame}`);
  go.addEventListener("click", () => (acts.goToFrame(frame), go.blur()));
  return go;
}
