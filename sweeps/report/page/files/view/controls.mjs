// What is chosen beside the canvas: size, layer, entry, neighbour, pin, photo, object box; and what it all says.
import { figures } from "../model/footprint.mjs";
import { perAxis, side, text } from "../model/numbers.mjs";
import { byId, chooser, el } from "./dom.mjs";
import { counts } from "./verdict.mjs";
import { fieldAt } from "./scene.mjs";

export function createControls(app, redraw) {
  const { doc } = app;
  const place = byId("controls");
  const file = el("input", { type: "file", accept: "image/*", id: "photo", onchange: (e) => usePhoto(app, e.target.files[0], redraw) });
  for (const name of ["dragover", "drop"])
    document.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop") usePhoto(app, event.dataTransfer.files[0], redraw);
    });
  return () => {
    const had = document.activeElement?.id;
    const { state } = app;
    const names = doc.layers.map((layer) => layer.name);
    const choose = (key, label, shown, first = 0) => chooser(label, shown.map((name, i) => [String(i + first), name]),
      String(state[key]), (v) => app.set({ [key]: Number(v) }));
    const check = (key, label) => el("label", {}, el("input",
      { type: "checkbox", id: `c-${key}`, checked: state[key], onchange: (e) => app.set({ [key]: e.target.checked }) }), label);
    place.replaceChildren(...[
      choose("view", "Input", doc.views.map((v) => v.input_size?.join("×") ?? "no borders")),
      choose("layer", "Layer", names),
      doc.axes.map((axis, a) => number(`e-${axis}`, `entry ${axis} `, state.entry[a], (v) =>
        app.set({ entry: state.entry.map((e, b) => (a === b ? v : e)) }))),
      doc.axes.length > 1 && choose("neighbour", "Neighbour along", doc.axes),
      choose("pin", "Pinned", ["none", ...names], -1),
      chooser("Zoom", ["1", "2", "4", "8", "16"].map((z) => [z, `${z}×`]), String(state.zoom), (v) => app.set({ zoom: Number(v) })),
      check("padding", "padding"), check("field", "effective field"),
      doc.axes.length < 3 && doc.axes.map((_, a) => boxSide(app, a)),
      doc.axes.length === 2 && el("label", {}, "Photo ", file),
    ].flat().filter(Boolean));
    if (had) byId(had)?.focus();
  };
}

const number = (id, label, value, change) => el("label", {}, label,
  el("input", { type: "number", id, value, step: 1, onchange: (e) => e.target.value !== "" && change(Number(e.target.value)) }));

// The sides of the object box; given by keys, it lies around the middle of the image.
function boxSide(app, a) {
  const { box } = app.state;
  const n = app.doc.axes.length;
  const sides = Array.from({ length: n }, (_, b) => (box.length === 2 * n ? box[b + n] - box[b] : 0));
  const axis = n === 1 ? "" : [" height", " width"][a];
  return number(`b-${a}`, `object${axis} `, sides[a], (v) => {
    const wanted = sides.map((s, b) => (b === a ? v : s || v));
    const middle = (app.view().input_size ?? wanted.map(() => 0)).map((s) => s / 2);
    const low = wanted.map((s, b) => Math.round(box.length === 2 * n ? (box[b] + box[b + n] - s) / 2 : middle[b] - s / 2));
    app.set({ box: v > 0 ? [...low, ...low.map((l, b) => l + wanted[b])] : [] });
  });
}

function usePhoto(app, file, redraw) {
  if (!file || !file.type.startsWith("image/")) return;
  const reader = new FileReader(); // the photo stays in the page
  reader.onload = () => showPhoto(app, reader.result, redraw);
  reader.readAsDataURL(file);
}

export function showPhoto(app, url, redraw) {
  const image = new Image();
  image.onload = () => redraw((app.photo = image));
  image.src = url;
}

// What the canvas shows, in words.
export function tell(app, now) {
  const { doc, state } = app;
  const [name, lines] = [doc.layers[state.layer].name, []];
  if (!now.products) lines.push(`${name} has no footprint here: ${app.view().without_terms[name]}`);
  else {
    const f = figures(now.products, now.next);
    const axis = doc.axes[state.neighbour];
    const parts = [`${text(f.area)} pixels`];
    if (f.box) parts.push(`extent ${perAxis(f.extent)}`, `from pixel ${f.box.map(([a]) => a).join(", ")}`);
    if (f.box) parts.push(`${f.gap ? "holes: " : ""}density ${text(f.density)}${f.gap ? `, longest gap ${f.gap}` : ""}`);
    if (f.overlap !== null) parts.push(`${text(100 * f.overlap)} % shared with the next entry along ${axis}`);
    lines.push(`Entry (${state.entry.join(", ")}) of ${name}: ${parts.join("; ")}.`);
    if (now.pinned) {
      const p = figures(now.pinned, null);
      lines.push(`Pinned ${doc.layers[state.pin].name}, entry (${now.pinEntry.join(", ")}): ${text(p.area)} pixels; extent ${perAxis(p.extent)}.`);
    }
    const field = state.field && fieldAt(app, state.layer, state.entry);
    const borders = doc.fields.input_size ? "" : " (no borders)";
    const mean = field?.mean.some((n, a) => n > field.cell[a]) ? `, averaged over ${perAxis(field.mean)} px` : "";
    if (field) lines.push(`Contours hold 50, 80 and 95 % of the paths${mean}${borders}.`);
  }
  byId("told").replaceChildren(...[...lines, ...boxLines(app)].map((line) => el("p", {}, line)));
}

function boxLines(app) {
  const { box, layer } = app.state;
  const n = app.doc.axes.length;
  if (box.length !== 2 * n || n > 2) return [];
  const sides = box.slice(n).map((end, a) => end - box[a]);
  const size = side(sides);
  if (!size) return [];
  const levels = (counts(app)?.levels ?? []).map((l) => ({ name: l.name, stride: l.stride, box: l.largest }));
  const own = fieldAt(app, layer, app.state.entry)?.box.map(([a, b]) => b - a);
  const { name } = app.doc.layers[layer];
  if (!counts(app)?.levels.some((l) => l.layer === name)) levels.unshift({ name, stride: side(app.view().figures.jump[layer]), box: side(own) });
  const said = levels.filter((l) => l.stride).map((l) => {
    const inside = l.box ? `, ${size <= l.box ? "inside" : "larger than"} the 95 % box` : "";
    return `${text(size / l.stride, 2)} entries at ${l.name}${inside}`;
  });
  return [`Object of ${sides.join("×")} px: ${said.join("; ")}.`];
}
