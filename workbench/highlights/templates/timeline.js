// Plays the highlight that was clicked, and shows where the video is.
const video = document.querySelector("video");
const marks = [...document.querySelectorAll("[data-start]")];
let stopAt = null;
for (const mark of marks)
  mark.addEventListener("click", (event) => {
    event.preventDefault();
    video.currentTime = Number(mark.dataset.start);
    stopAt = Number(mark.dataset.end);
    for (const row of document.querySelectorAll("tbody tr"))
      row.setAttribute("aria-current", row.querySelector("a").dataset.start === mark.dataset.start);
    video.play();
  });
video.addEventListener("timeupdate", () => {
  const place = (1000 * video.currentTime) / video.duration || 0;
  for (const line of document.querySelectorAll(".now")) (line.setAttribute("x1", place), line.setAttribute("x2", place));
  if (stopAt !== null && video.currentTime >= stopAt) (video.pause(), (stopAt = null));
});
