// The map of the chosen layer: one cell an entry; pointing at one, or arrow keys, choose it.
import { mapSize } from "../model/footprint.mjs";
import { color, el, sharp } from "./dom.mjs";

const HIGHEST = 300; // CSS pixels
const AROUND = 8; // entries on either side that are shown of a map without borders

export function createMap(app, place) {
  const canvas = el("canvas", { tabindex: 0, role: "application", "aria-label": "map of the layer; arrow keys choose an entry" });
  place.append(canvas);
  const ndim = app.doc.axes.length;
  let [cell, down, right] = [1, ndim - 2, ndim - 1];
  const shown = () => {
    const n = mapSize(app.view(), app.state.layer);
    return app.doc.axes.map((_, a) => (n ? [0, n[a]] : [app.state.entry[a] - AROUND, app.state.entry[a] + AROUND + 1]));
  };
  const draw = () => {
    const axes = shown();
    const [rows, columns] = [ndim > 1 ? axes[down] : [0, 1], axes[right]];
    const [h, w] = [rows[1] - rows[0], columns[1] - columns[0]];
    const width = Math.min(place.clientWidth, HIGHEST);
    cell = Math.min(width / w, HIGHEST / h, 28);
    const tall = ndim > 1 ? cell : Math.max(cell, 24);
    Object.assign(canvas.style, { width: `${w * cell}px`, height: `${h * tall}px` });
    const context = sharp(canvas, w * cell, h * tall);
    context.fillStyle = color("paper");
    context.fillRect(0, 0, w * cell, h * tall);
    context.strokeStyle = color("grid");
    for (let c = 0; c < w && cell >= 5; c++) context.strokeRect(c * cell, 0, cell, h * tall);
    for (let r = 0; r < h && cell >= 5; r++) context.strokeRect(0, r * tall, w * cell, tall);
    const [side, height] = [Math.max(cell, 4), Math.max(tall, 4)];
    const cellOf = (entry) => [(entry[right] - columns[0]) * cell, ndim > 1 ? (entry[down] - rows[0]) * tall : 0, side, height];
    context.fillStyle = color("footprint");
    context.fillRect(...cellOf(app.state.entry));
    context.strokeStyle = color("next");
    context.strokeRect(...cellOf(app.state.entry.map((e, a) => (a === app.state.neighbour ? e + 1 : e))));
    context.strokeStyle = color("ink");
    context.strokeRect(0.5, 0.5, w * cell - 1, h * tall - 1);
  };
  const point = (event) => {
    const [frame, axes] = [canvas.getBoundingClientRect(), shown()];
    const entry = [...app.state.entry];
    entry[right] = axes[right][0] + Math.floor((event.clientX - frame.left) / cell);
    if (ndim > 1) entry[down] = axes[down][0] + Math.floor((event.clientY - frame.top) / cell);
    if (String(entry) !== String(app.state.entry)) app.set({ entry });
  };
  canvas.addEventListener("pointermove", (event) => mapSize(app.view(), app.state.layer) && point(event));
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("keydown", (event) => {
    const [n, step] = [mapSize(app.view(), app.state.layer), event.shiftKey ? 8 : 1];
    const moves = { ArrowLeft: [right, -1], ArrowRight: [right, 1], ArrowUp: [down, -1], ArrowDown: [down, 1], PageUp: [0, -1], PageDown: [0, 1] };
    let entry = [...app.state.entry];
    if (event.key in moves && moves[event.key][0] >= 0) entry[moves[event.key][0]] += step * moves[event.key][1];
    else if (event.key === "Home") entry = entry.map(() => 0);
    else if (event.key === "End" && n) entry = n.map((size) => size - 1);
    else if (event.key === "c") entry = entry.map((_, a) => (n ? Math.floor(n[a] / 2) : 0));
    else return;
    event.preventDefault();
    app.set({ entry });
  });
  return draw;
}
