// Keys for what a page offers: each thing that has one says so in data-key. Typing in a field stays typing.
const typing = (element) => /^(SELECT|TEXTAREA)$/.test(element.tagName) || (element.tagName === "INPUT" && element.type !== "radio");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const step = { j: 1, k: -1 }[event.key];
  if (step) {
    const rows = [...document.querySelectorAll("a.row")];
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + step))]?.focus();
    return;
  }
  const chosen = event.key === "e" ? document.querySelector("select") : document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!chosen) return;
  event.preventDefault();
  if (chosen.tagName === "SELECT" || (chosen.tagName === "INPUT" && chosen.type !== "radio")) chosen.focus();
  else chosen.click();
});
