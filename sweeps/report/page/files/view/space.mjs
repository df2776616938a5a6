// The page of a space: front and sample, distributions, brushing by factor; a click opens a network.
import { logScale, percent, powersOfTwo, short, text } from "../model/numbers.mjs";
import { byId, chooser, el, svg } from "./dom.mjs";

const [WIDE, HIGH, LEFT, BOTTOM] = [720, 420, 64, 40];

export function openSpace(doc, open) {
  const chosen = new Map(Object.keys(doc.factors).map((name) => [name, new Set()])); // labels that are brushed
  const axis = (objective) => doc.numbers.find((name) => objective.replace(/^-/, "") === name);
  const axes = [axis(doc.objectives[0]) ?? doc.numbers[0], axis(doc.objectives[1]) ?? doc.numbers[1]];
  const fits = (rows, i) => [...chosen].every(([name, labels]) => !labels.size || labels.has(rows.labels[name][i]));
  const place = byId("space-page");
  const draw = () => {
    const had = document.activeElement?.dataset?.key;
    place.replaceChildren(
      el("section", { class: "verdict" }, el("p", {}, doc.summary)),
      el("section", {}, el("h2", {}, "Factors: press a value to keep it"), factors(doc, chosen, draw)),
      el("section", {}, el("h2", {}, "Front and sample"), el("p", { class: "controls" },
        ["Across", "Up"].map((label, a) => chooser(label, doc.numbers.map((n) => [n, n]), axes[a], (v) => draw((axes[a] = v))))),
        scatter(doc, axes, fits, open), el("p", { id: "picked", "aria-live": "polite" }),
      el("h2", {}, "Extents"), distribution(doc, fits)),
    );
    if (had) [...place.querySelectorAll("[data-key]")].find((node) => node.dataset.key === had)?.focus();
  };
  place.hidden = false;
  draw();
}

// Every value with its share among the drawn ones that the other factors keep.
function factors(doc, chosen, draw) {
  const { labels, index } = doc.sample;
  return Object.entries(doc.factors).map(([name, values]) => {
    const counts = values.map(() => 0);
    for (let i = 0; i < index.length; i++)
      if ([...chosen].every(([other, kept]) => other === name || !kept.size || kept.has(labels[other][i]))) counts[labels[name][i]]++;
    const total = counts.reduce((sum, n) => sum + n, 0) || 1;
    const buttons = values.map((value, v) => el("button", {
      class: "value", "data-key": `${name} ${v}`, "aria-pressed": String(chosen.get(name).has(v)),
      onclick: () => draw(chosen.get(name).delete(v) || chosen.get(name).add(v)),
    }, `${value} `, el("small", {}, percent(counts[v] / total))));
    return el("p", { class: "factor" }, el("span", {}, name), buttons);
  });
}

function scatter(doc, axes, fits, open) {
  const all = axes.map((name) => [...doc.sample.figures[name], ...doc.front.figures[name]].filter((v) => v > 0));
  const [low, high] = [all.map((values) => Math.min(...values)), all.map((values) => Math.max(...values))];
  const x = logScale(low[0], high[0] * 1.02, LEFT, WIDE - 14);
  const y = logScale(low[1], high[1] * 1.02, HIGH - BOTTOM, 12);
  const chart = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "group", "aria-label": `${axes[1]} against ${axes[0]}` });
  const write = (across, up, anchor, shown) => chart.append(svg("text", { x: across, y: up, "text-anchor": anchor }, shown));
  const grid = (p) => chart.append(svg("line", { x1: LEFT, x2: WIDE, y1: y(p), y2: y(p), class: "grid" }));
  powersOfTwo(low[1], high[1]).forEach((p) => [grid(p), write(LEFT - 6, y(p) + 4, "end", text(p))]);
  for (const v of [low[0], high[0]]) write(x(v), HIGH - 22, v === low[0] ? "start" : "end", short(v));
  write(WIDE / 2, HIGH - 6, "middle", `${axes[0]} →`);
  write(4, 10, "start", `${axes[1]} ↑`);
  const point = (rows, i, front) => {
    const [a, b] = axes.map((name) => rows.figures[name][i]);
    if (!(a > 0 && b > 0)) return;
    const key = front && doc.networks[rows.index[i]] ? rows.index[i] : null;
    const about = `architecture ${rows.index[i]}: ${axes[0]} ${text(a)}, ${axes[1]} ${text(b)}; `
      + Object.entries(doc.factors).map(([name, values]) => `${name} ${values[rows.labels[name][i]]}`).join(", ");
    const pick = () => [(byId("picked").textContent = `${about}. In Python: space.network(${rows.index[i]})`), key !== null && open(key)];
    const look = { class: `${front ? "front" : "drawn"}${fits(rows, i) ? "" : " out"}${key === null ? "" : " opens"}`, onclick: pick };
    const focus = key === null ? {} : { tabindex: 0, role: "button", "data-key": `front ${key}`, onkeydown: (e) => e.key === "Enter" && pick() };
    const [tag, at] = front ? ["rect", { x: x(a) - 4, y: y(b) - 4, width: 8, height: 8 }] : ["circle", { cx: x(a), cy: y(b), r: 2.5 }];
    chart.append(svg(tag, { ...at, ...look, ...focus }, svg("title", {}, about)));
  };
  doc.sample.index.forEach((_, i) => point(doc.sample, i, false));
  doc.front.index.forEach((_, i) => point(doc.front, i, true));
  return chart;
}

// Exact shares of all, and those among the drawn ones that are kept.
function distribution(doc, fits) {
  const name = doc.numbers.find((n) => n.startsWith("extent"));
  const kept = doc.sample.figures[name].filter((_, i) => fits(doc.sample, i));
  const shares = doc.extents.map(([a, b]) => kept.filter((v) => v >= a && v < b).length / (kept.length || 1));
  const most = Math.max(...doc.extents.map((e) => e[2]), ...shares, 1e-9);
  const x = logScale(doc.extents[0][0], doc.extents.at(-1)[1], LEFT, WIDE - 14);
  const chart = svg("svg", { viewBox: `0 0 ${WIDE} 170`, role: "img", "aria-label": "distribution of extents" });
  doc.extents.forEach(([a, b, share], i) => {
    const about = `extent ${a} to ${b - 1}: ${percent(share)} of all, ${percent(shares[i])} of the ${kept.length} drawn that are kept`;
    const [left, width, high] = [x(a), Math.max(0.5, x(b) - x(a) - 0.5), 130 / most];
    const bar = (value, look) => svg("rect", { x: left, width, y: 140 - high * value, height: high * value, class: look }, svg("title", {}, about));
    chart.append(bar(share, "objects"), bar(shares[i], "kept"));
  });
  const ticks = powersOfTwo(doc.extents[0][0], doc.extents.at(-1)[1]);
  chart.append(...ticks.map((p) => svg("text", { x: x(p), y: 156, "text-anchor": "middle" }, text(p))));
  return [chart, el("p", { class: "muted" }, "grey: all architectures, exact; green: the drawn ones that are kept")];
}
