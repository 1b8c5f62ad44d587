// Before the first paint, so that a dark page does not flash white. A file, since the policy runs nothing inline.
(function () {
  var kept = localStorage.getItem("hearth.scheme");
  var dark = kept === "dark" || (kept !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  document.documentElement.lang = localStorage.getItem("hearth.language") || (navigator.language.startsWith("zh") ? "zh" : "en");
})();
