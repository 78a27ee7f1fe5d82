// Review: what everybody, and the model, says about the clip on the screen, side by side.
// Knows nothing about where labels come from; a frame that is clicked comes back as a call.

import { element } from "../shared/keys.js";
import { chip } from "./verdicts.js";

// Draw the opinions on one clip: [{who, isMe, isModel, verdict, eventFrame, score}], best known first.
export function drawOpinions(place, opinions, goToFrame) {
  const head = element("h2", {}, "Verdicts");
  if (!opinions.length) {
    place.replaceChildren(head, element("p", { className: "soft" }, "Nobody has said anything yet."));
    return;
  }
  const said = new Set(opinions.map(({ verdict }) => verdict));
  const list = element("ul", { className: "opinions" });
  for (const { who, isMe, isModel, verdict, eventFrame, score } of opinions) {
    const name = element("span", { className: "name", title: who }, who);
    if (isMe) name.append(element("span", { className: "soft" }, " (you)"));
    if (isModel) name.append(element("span", { className: "soft" }, " (model)"));
    const facts = element("span", { className: "facts" });
    if (eventFrame !== null) {
      const go = element("button", { className: "quiet", type: "button" }, `frame ${eventFrame}`);
      go.title = "show this frame";
      go.addEventListener("click", () => (goToFrame(eventFrame), go.blur()));
      facts.append(go);
    }
    if (score !== null && score !== undefined)
      facts.append(element("span", { title: "how sure the model is, 0 to 1" }, score.toFixed(2)));
    list.append(element("li", {}, name, facts, chip(verdict)));
  }
  const verdict = said.size > 1 ? "They disagree" : opinions.length > 1 ? "They agree" : "One verdict so far";
  head.append(element("span", { className: said.size > 1 ? "split" : "soft" }, verdict));
  place.replaceChildren(head, list);
}
