// The profile along the edges of the graph, beside the histogram of object sizes on the same log axis.
import { logScale, percent, powersOfTwo, side, text } from "../model/numbers.mjs";
import { ranks } from "../model/tree.mjs";
import { svg } from "./dom.mjs";
import { strideColor } from "./graph.mjs";
import { fieldOf } from "./scene.mjs";
import { counts } from "./verdict.mjs";

const HEIGHT = 320;
const [TOP, BOTTOM, LEFT] = [12, 30, 44];

export function createChart(app, place) {
  return (changed) => {
    if (changed && !["view", "layer", "open", "rule", "category", "size"].some((key) => changed.has(key))) return;
    const [width, sizes] = [Math.max(280, place.clientWidth), counts(app)];
    const strip = sizes ? Math.min(150, width * 0.25) : 0; // of the histogram
    const [figures, rows] = [app.view().figures, app.rows()];
    const points = rows.map(({ node, header }) => (header ? null : side(figures.extent[node.layer])));
    const wires = app.edges(rows);
    const rank = ranks(rows.length, wires);
    const effective = (layer) => side(fieldOf(app.doc, layer)?.box.map(([a, b]) => b - a));
    const low = sizes ? Math.max(1, Math.min(4, ...points.filter(Boolean))) : 1;
    const last = sizes ? sizes.edges[sizes.edges.length - 1] : 2;
    const high = Math.max(2 * low, ...points.filter(Boolean), last) * 1.1;
    const y = logScale(low, high, HEIGHT - BOTTOM, TOP);
    const x = (row) => LEFT + strip + 14 + ((width - LEFT - strip - 34) * (rank[row] - 1)) / Math.max(1, Math.max(...rank) - 1);
    const chart = svg("svg", { width, height: HEIGHT, role: "img", "aria-label": "extent of the layers beside object sizes" });
    chart.append(...powersOfTwo(low, high).flatMap((p) => [
      svg("line", { x1: LEFT, x2: width, y1: y(p), y2: y(p), class: "grid" }),
      svg("text", { x: LEFT - 6, y: y(p) + 4, "text-anchor": "end" }, text(p)),
    ]));
    if (sizes) chart.append(...histogram(sizes, y, low, strip));
    for (const level of sizes?.levels ?? []) {
      const shown = app.row(app.doc.layers.findIndex((l) => l.name === level.layer), rows);
      const [top, bottom] = [y(Math.min(high, level.largest ?? high)), y(Math.max(low, level.smallest))];
      if (shown >= 0) chart.append(svg("rect", { x: x(shown) - 4, width: 8, y: top, height: Math.max(0, bottom - top), class: "range" },
        svg("title", {}, `${level.name} is right for objects of ${text(level.smallest)} to ${text(level.largest)} px`)));
    }
    for (const [a, b] of wires)
      if (a >= 0 && points[a] && points[b]) chart.append(svg("path", { d: `M${x(a)},${y(points[a])}L${x(b)},${y(points[b])}`, class: "wire" }));
    rows.forEach(({ node }, i) => {
      if (!points[i]) return;
      const box = effective(node.layer);
      if (box && box >= low) chart.append(svg("path", { d: `M${x(i) - 4},${y(box)}h8`, class: "effective" }));
      const chosen = i === app.row(app.state.layer, rows);
      const title = `${node.name}: extent ${text(Math.round(points[i]))}${box ? `, effective 95 % box ${text(Math.round(box))}` : ""}`;
      chart.append(svg("circle", {
        cx: x(i), cy: y(points[i]), r: chosen ? 6 : 4, fill: strideColor(side(figures.jump[node.layer])), class: chosen ? "dot chosen" : "dot",
        onclick: () => app.set({ layer: node.layer }),
      }, svg("title", {}, title)));
    });
    const labels = [[LEFT + strip + 14, "layers, by distance from the image →"], [LEFT, sizes ? "objects" : ""]];
    chart.append(...labels.map(([at, label]) => svg("text", { x: at, y: HEIGHT - 8 }, label)));
    place.replaceChildren(chart);
  };
}

function histogram(sizes, y, low, strip) {
  const [most, total] = [Math.max(...sizes.counts, 1e-9), sizes.counts.reduce((sum, n) => sum + n, 0)];
  return sizes.counts.map((n, i) => {
    if (!n || sizes.edges[i + 1] <= low) return null;
    const [a, b] = [y(sizes.edges[i + 1]), y(Math.max(low, sizes.edges[i]))];
    return svg("rect", { x: LEFT, y: a, width: (strip * n) / most, height: Math.max(0.5, b - a), class: "objects" },
      svg("title", {}, `${percent(n / total)} of the objects: ${text(sizes.edges[i])} to ${text(sizes.edges[i + 1])} px`));
  }).filter(Boolean);
}
