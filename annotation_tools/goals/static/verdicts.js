// What a verdict looks like, and how fast somebody gives them. Knows nothing about the page.

export const VERDICTS = {
  goal: { sign: "✓", text: "goal", key: "Y" },
  no_goal: { sign: "✕", text: "no goal", key: "N" },
  unsure: { sign: "?", text: "unsure", key: "U" },
};

const BREAK_MS = 5 * 60_000; // longer between two labels is a break, not the pace
const RECENT = 30;

// A small label in words and colour; told apart by its sign where colour fails.
export function chip(verdict) {
  const made = document.createElement("span");
  made.className = `chip ${verdict ?? "none"}`;
  const { sign, text } = VERDICTS[verdict] ?? { sign: "–", text: "nothing" };
  made.append(`${sign} ${text}`);
  return made;
}

// How long the clips that are left will take, from the times of this person's entries; null if the
// pace is not known yet.
export function timeLeft(entries, clipsLeft) {
  const times = entries.filter((entry) => !entry.undoes).map((entry) => Date.parse(entry.created_at));
  const steps = times
    .slice(1)
    .map((time, place) => time - times[place])
    .filter((step) => step > 0 && step < BREAK_MS)
    .slice(-RECENT)
    .sort((one, other) => one - other);
  if (steps.length < 3 || !clipsLeft) return null;
  const minutes = (steps[Math.floor(steps.length / 2)] * clipsLeft) / 60_000;
  if (minutes < 1) return "under a minute left";
  if (minutes < 90) return `about ${Math.round(minutes)} min left`;
  return `about ${(minutes / 60).toFixed(1)} h left`;
}
