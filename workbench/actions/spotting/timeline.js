// A click on the timeline or in the list goes a second before that moment and plays.
const video = document.querySelector("video");
const length = Number(document.querySelector("main").dataset.length);
const rows = [...document.querySelectorAll(".list button")];
const LEAD_S = 1;

function go(time) {
  video.currentTime = Math.max(0, time - LEAD_S);
  video.play().catch(() => {});
}

document.addEventListener("click", ({ target, clientX }) => {
  const at = target.closest("[data-time]");
  if (at) return go(Number(at.dataset.time));
  const track = target.closest(".track:not(.ticks)");
  if (!track) return;
  const { left, width } = track.getBoundingClientRect();
  go(((clientX - left) / width) * length + LEAD_S);
});

document.addEventListener("keydown", ({ key }) => {
  const now = video.currentTime + LEAD_S;
  const times = rows.map((row) => Number(row.dataset.time));
  const next = key === "n" ? times.find((time) => time > now + 0.05) : key === "p" ? times.findLast((time) => time < now - 1.5) : undefined;
  if (next !== undefined) go(next);
});

video.addEventListener("timeupdate", () => {
  const share = `${(100 * video.currentTime) / length}%`;
  for (const head of document.querySelectorAll(".head")) head.style.left = share;
  for (const row of rows) row.classList.toggle("now", Math.abs(Number(row.dataset.time) - video.currentTime) < 0.6);
});
video.addEventListener("error", () => (document.querySelector("#trouble").hidden = false));
