const button = document.getElementById("toggle-code");
if (button) {
  button.addEventListener("click", () => {
    const show = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(show));
    button.textContent = show ? "Hide all code" : "Show all code";
    for (const source of document.querySelectorAll("details.source")) source.open = show;
  });
}
// On a narrow page the contents would push everything else down.
const contents = document.querySelector(".contents details");
if (contents && !matchMedia("(min-width: 1180px)").matches) contents.open = false;
