(function () {
  try {
    var kept = localStorage.getItem("trainwright-theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch (refused) { /* a page opened from a file may keep nothing */ }
})();
