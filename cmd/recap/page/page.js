"use strict";
(function () {
  const text = document.getElementById("text"), state = document.getElementById("state");
  const status = document.getElementById("status"), shown = document.getElementById("shown");
  if (!text) return;
  const rows = Array.from(document.querySelectorAll("#pairs tbody tr"), function (row) {
    return { row: row, text: row.textContent.toLowerCase(), state: row.dataset.state, status: row.dataset.status };
  });
  function filter() {
    const words = text.value.toLowerCase().split(/\s+/);
    let n = 0;
    for (const r of rows) {
      const fits = words.every(function (w) { return r.text.includes(w); }) &&
        (!state.value || r.state === state.value) && (!status.value || r.status === status.value);
      r.row.hidden = !fits;
      if (fits) n++;
    }
    shown.textContent = n.toLocaleString("en");
  }
  for (const e of [text, state, status]) e.addEventListener("input", filter);
})();
