// Loaded before the page is drawn, so that a chosen theme never flashes.
(() => {
  try {
    const chosen = localStorage.getItem("clearway-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* storage may be forbidden: the system's theme is fine */ }
  document.documentElement.classList.add("js");
})();
