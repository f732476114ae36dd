// Charts by uPlot, which index.html loads.
import { h } from "./ui.js";

const colours = ["#2b6cb0", "#b7791f", "#805ad5", "#c53030", "#4a5568"];

// chart draws data below root, or gives what before drew the new data. It returns what is to be
// handed in as before the next time.
export function chart(root, before, title, names, data) {
  if (before) {
    before.setData(data);
    return before;
  }
  const box = h("div", { class: "chart", role: "img", "aria-label": title }, h("h3", null, title));
  root.append(box);
  const axis = { stroke: () => getComputedStyle(document.body).color, grid: { stroke: "#8883", width: 1 }, ticks: { stroke: "#8883" }, size: 46 };
  const plot = new uPlot({
    width: Math.max(260, box.clientWidth - 18), height: 180, legend: { live: false }, cursor: { y: false },
    scales: { y: { range: (_, min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [{ ...axis, size: 30 }, axis],
    series: [{}, ...names.map((label, i) => ({ label, stroke: colours[i], width: 1.5, spanGaps: true, points: { show: data[0].length < 20 } }))],
  }, data, box);
  new ResizeObserver(() => plot.setSize({ width: Math.max(260, box.clientWidth - 18), height: 180 })).observe(box);
  return plot;
}
