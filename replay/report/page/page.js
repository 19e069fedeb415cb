"use strict";
for (const figure of document.querySelectorAll("figure.chart")) {
  const points = JSON.parse(figure.dataset.points);
  const svg = figure.querySelector("svg.plot"), cursor = figure.querySelector(".cursor"), at = figure.querySelector(".at");
  if (!points.length) continue;
  function show(event) {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    let best = points[0];
    for (const p of points) if (Math.abs(p.x - x) < Math.abs(best.x - x)) best = p;
    cursor.setAttribute("x1", best.x);
    cursor.setAttribute("x2", best.x);
    cursor.style.visibility = "visible";
    at.textContent = best.t;
  }
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", function () { cursor.style.visibility = "hidden"; at.textContent = "\u00a0"; });
}
