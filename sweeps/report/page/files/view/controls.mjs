// What is chosen beside the canvas: size, layer, entry, neighbour, pin, photo, object box; and what it all says.
import { figures } from "../model/footprint.mjs";
import { keyOf } from "../model/sizes.mjs";
import { perAxis, percent, side, text } from "../model/numbers.mjs";
import { byId, chooser, el } from "./dom.mjs";
import { counts } from "./verdict.mjs";
import { fieldAt } from "./scene.mjs";

export function createControls(app, redraw) {
  const { doc } = app;
  const place = byId("controls");
  const file = el("input", { type: "file", accept: "image/*", id: "photo", onchange: (e) => usePhoto(app, e.target.files[0], redraw) });
  return () => {
    const [had, { state }] = [document.activeElement?.id, app];
    const [names, valid] = [doc.layers.map((layer) => layer.name), doc.halo.valid && [...new Set(doc.halo.valid)].join(" × ")];
    const choose = (key, label, shown, first = 0) => chooser(label, shown.map((name, i) => [String(i + first), name]),
      String(state[key]), (v) => app.set({ [key]: Number(v) }));
    const check = (key, label) => el("label", {}, el("input",
      { type: "checkbox", id: `c-${key}`, checked: state[key], onchange: (e) => app.set({ [key]: e.target.checked }) }), label);
    place.replaceChildren(...[
      chooser("Input", doc.views.map((v) => [keyOf(v), v.input_size?.join("×") ?? "no borders"]), state.view, (view) => app.set({ view })),
      !doc.program.missing && el("label", {}, "other size ",
        el("input", { type: "text", id: "size", size: 7, onchange: (e) => otherSize(app, e.target.value) })),
      app.problem && el("span", { class: "error", role: "alert" }, app.problem, valid ? `; it takes ${valid}` : ""),
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

function otherSize(app, written) {
  const sides = written.trim().split(/[x×, ]+/);
  app.set({ view: (sides.length === 1 ? app.doc.axes.map(() => sides[0]) : sides).join("x") });
}

const number = (id, label, value, change) => el("label", {}, label,
  el("input", { type: "number", id, value, step: 1, onchange: (e) => e.target.value !== "" && change(Number(e.target.value)) }));

// The sides of the object box; given by keys, it lies around the middle of the image.
function boxSide(app, a) {
  const [{ box }, n] = [app.state, app.doc.axes.length];
  const sides = app.doc.axes.map((_, b) => (box.length === 2 * n ? box[b + n] - box[b] : 0));
  return number(`b-${a}`, `object${n === 1 ? "" : [" height", " width"][a]} `, sides[a], (v) => {
    const wanted = sides.map((s, b) => (b === a ? v : s || v));
    const middle = (app.view().input_size ?? wanted.map(() => 0)).map((s) => s / 2);
    const low = wanted.map((s, b) => Math.round(box.length === 2 * n ? (box[b] + box[b + n] - s) / 2 : middle[b] - s / 2));
    app.set({ box: v > 0 ? [...low, ...low.map((l, b) => l + wanted[b])] : [] });
  });
}

// A photo stays in the page.
export const usePhoto = (app, file, redraw) => file?.type.startsWith("image/") && showPhoto(app, URL.createObjectURL(file), redraw);

export function showPhoto(app, url, redraw) {
  const image = Object.assign(new Image(), { src: url, onload: () => redraw((app.photo = image)) });
}

// Where the border may cut a footprint, its extent is not that of the layer.
const extentOf = ({ box, extent }, image) =>
  `extent ${box && image?.some((n, a) => box[a][0] === 0 || box[a][1] === n) ? "within the image " : ""}${perAxis(extent)}`;

// What the canvas shows, in words.
export function tell(app, now) {
  const { doc, state } = app;
  const [name, image, lines] = [doc.layers[state.layer].name, app.view().input_size, []];
  if (!now.products) lines.push(`${name} has no footprint here: ${app.view().without_terms[name]}`);
  else {
    const f = figures(now.products, now.next);
    const parts = [`${text(f.area)} pixels`];
    if (f.box) parts.push(extentOf(f, image), `from pixel ${f.box.map(([a]) => a).join(", ")}`);
    if (f.box) parts.push(`${f.gap ? "holes: " : ""}density ${text(f.density)}${f.gap ? `, longest gap ${f.gap}` : ""}`);
    if (f.overlap !== null) parts.push(`${percent(f.overlap)} shared with the next entry along ${doc.axes[state.neighbour]}`);
    lines.push(`Entry (${state.entry.join(", ")}) of ${name}: ${parts.join("; ")}.`);
    if (now.pinned) {
      const p = figures(now.pinned, null);
      lines.push(`Pinned ${doc.layers[state.pin].name}, entry (${now.pinEntry.join(", ")}): ${text(p.area)} pixels; ${extentOf(p, image)}.`);
    }
    const field = state.field && fieldAt(app, state.layer, state.entry);
    const phase = field?.alike ? "" : `, of entry (${field?.entry.join(", ")}), whose phase is another`;
    const borders = doc.fields.input_size ? "" : ` (no borders${phase})`;
    const mean = field?.mean.some((n, a) => n > field.cell[a]) ? `, averaged over ${perAxis(field.mean)} px` : "";
    if (field) lines.push(`Contours hold 50, 80 and 95 % of the paths${mean}${borders}.`);
  }
  byId("told").replaceChildren(...[...lines, ...boxLines(app)].map((line) => el("p", {}, line)));
}

function boxLines(app) {
  const [{ box, layer }, n] = [app.state, app.doc.axes.length];
  const sides = box.slice(n).map((end, a) => end - box[a]);
  const size = sides.length === n && n < 3 ? side(sides) : null;
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
