// The graph, folded by module: a row a layer or module, lanes for what passes rows by, bars as wide as the extent.
import { layersOf, lanes } from "../model/tree.mjs";
import { logScale, perAxis, side, text } from "../model/numbers.mjs";
import { el, svg } from "./dom.mjs";

const [ROW, LANE, MOST_LANES, WIDEST_BAR] = [26, 9, 7, 84]; // CSS pixels, as in style.css; lanes

export const strideColor = (stride) => stride === null ? "var(--muted)" : `var(--s${Math.min(7, Math.max(0, Math.round(Math.log2(stride))))})`;

export function createGraph(app, place) {
  const marks = worstFindings(app.doc);
  const list = el("div", { role: "tree", "aria-label": "layers, folded by module" });
  place.append(list);
  list.addEventListener("keydown", (event) => keys(app, list, event));
  return (changed) => {
    if (changed && !["view", "layer", "pin", "open"].some((key) => changed.has(key))) return;
    const had = document.activeElement?.closest?.("[role=treeitem]")?.dataset.row;
    const rows = app.rows();
    const [selected, { figures }] = [app.row(app.state.layer, rows), app.view()];
    const extents = figures.extent.map(side);
    const bar = logScale(1, Math.max(2, ...extents.filter(Boolean)), 3, WIDEST_BAR);
    const wires = app.edges(rows);
    const nodes = rows.map((row, i) => rowOf(app, row, i, { selected, figures, extents, bar, marks }));
    list.replaceChildren(wiring(rows, wires), ...nodes);
    if (had !== undefined) nodes[Math.min(Number(had), nodes.length - 1)].focus({ preventScroll: true });
    if (changed?.has("layer") && nodes[selected]) scrollTo(place, nodes[selected]);
  };
}

// Scrolls the box of the list alone: the page stays where it is, and opens at its start.
function scrollTo(box, row) {
  const [outer, inner] = [box, row].map((node) => node.getBoundingClientRect());
  box.scrollTop += Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom);
}

function rowOf(app, { node, header }, i, { selected, figures, extents, bar, marks }) {
  const [folds, extent] = [node.children.length > 0, extents[node.layer]];
  const stride = side(figures.jump[node.layer]);
  const level = layersOf(node).map((layer) => marks.get(layer)).sort().reverse()[0];
  const size = perAxis(figures.map_size?.[node.layer]);
  const about = `extent ${perAxis(figures.extent[node.layer])}, stride ${perAxis(figures.jump[node.layer])}, map ${size}`;
  const [verb, sign] = header ? ["fold", "▾"] : ["unfold", "▸"];
  const onclick = (event) => [event.stopPropagation(), toggle(app, node.name)];
  const fold = folds && el("button", { class: "fold", tabindex: -1, "aria-label": verb, onclick }, sign);
  return el("div", {
    role: "treeitem", class: header ? "row header" : "row", "data-row": i, "data-name": node.name, title: `${node.name}: ${about}`,
    "aria-level": node.depth, "aria-selected": String(i === selected), "aria-expanded": folds ? String(header) : null,
    tabindex: i === Math.max(0, selected) ? 0 : -1,
    onclick: () => (header ? toggle(app, node.name) : app.set({ layer: node.layer })),
  },
  el("span", { class: "lanes" }),
  el("span", { class: `name depth${Math.min(node.depth, 6)}` }, fold || el("span", { class: "fold" }), node.label),
  !header && marks && level ? el("span", { class: `mark ${WORST[level]}`, title: "findings" }, "●") : null,
  app.state.pin === node.layer && !header ? el("span", { class: "mark pin" }, "◆") : null,
  header ? null : el("span", { class: "value" }, text(extent === null ? null : Math.round(extent))),
  header ? null : barOf(extent === null ? WIDEST_BAR : bar(extent), strideColor(stride), extent === null));
}

const barOf = (width, fill, open) => svg("svg", { class: "bar", width: WIDEST_BAR, height: 12, "aria-hidden": true },
  svg("rect", { width, height: 12, fill, opacity: open ? 0.35 : 1 }));

// Edges between rows: straight where they follow each other, in a lane to the left where they pass others by.
function wiring(rows, wires) {
  const lane = lanes(wires);
  const used = Math.min(MOST_LANES, Math.max(0, ...lane.values()));
  const width = (used + 1) * LANE + 8;
  const x = (n) => width - 8 - Math.min(n, MOST_LANES) * LANE;
  const y = (row) => (row + 0.5) * ROW;
  const paths = wires.map((pair) => {
    const [[a, b], n] = [pair, lane.get(pair)];
    const d = n === 0 ? `M${x(0)},${y(a)}V${y(b)}` : `M${x(0)},${y(a)}C${x(n)},${y(a) + 8} ${x(n)},${y(a) + 8} ${x(n)},${y(a) + 18}`
      + `V${y(b) - 18}C${x(n)},${y(b) - 8} ${x(n)},${y(b) - 8} ${x(0)},${y(b)}`;
    return svg("path", { d });
  });
  const dots = rows.map(({ header }, i) => (header ? null : svg("circle", { cx: x(0), cy: y(i), r: 3 })));
  document.documentElement.style.setProperty("--lanes", `${width}px`);
  return svg("svg", { class: "wires", width, height: rows.length * ROW, "aria-hidden": true }, paths, dots);
}

const WORST = ["", "note", "warning", "error"];

function worstFindings(doc) {
  const found = new Map();
  for (const { at, level } of doc.findings) found.set(at, Math.max(found.get(at) ?? 0, WORST.indexOf(level)));
  return found;
}

function toggle(app, name) {
  const open = new Set(app.state.open);
  app.set({ open: open.delete(name) ? open : open.add(name) });
}

// A tree by keys: up and down, right unfolds, left folds, Enter chooses, p pins.
function keys(app, list, event) {
  const at = event.target.closest("[role=treeitem]");
  if (!at) return;
  const [items, i] = [[...list.querySelectorAll("[role=treeitem]")], Number(at.dataset.row)];
  const { node, header } = app.rows()[i];
  const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) items[Math.min(Math.max(to, 0), items.length - 1)].focus();
  else if (event.key === "ArrowRight" && node.children.length && !header) toggle(app, node.name);
  else if (event.key === "ArrowLeft" && header) toggle(app, node.name);
  else if (event.key === "Enter" || event.key === " ") header ? toggle(app, node.name) : app.set({ layer: node.layer });
  else if (event.key === "p" && !header) app.set({ pin: app.state.pin === node.layer ? -1 : node.layer });
  else return;
  event.preventDefault();
}
