// What the canvas shows: footprints of the chosen entry and its neighbour, the pinned layer's, and the pixels in sight.
import { bounds, common, footprint, isEntry, middleOf, nearestEntry, wholeView } from "../model/footprint.mjs";
import { unrolled } from "../model/numbers.mjs";

const WIDEST = 4096; // pixels of a window along an axis; of a larger image the part around the footprint

// The planes that are drawn: axes across and along, and the axis that is cut.
export function planes(ndim) {
  if (ndim === 1) return [{ axes: [null, 0], cut: null }];
  if (ndim === 2) return [{ axes: [0, 1], cut: null }];
  return [{ axes: [1, 2], cut: 0 }, { axes: [0, 2], cut: 1 }, { axes: [0, 1], cut: 2 }];
}

export function scene(app) {
  const { doc, state } = app;
  const view = app.view();
  const found = { products: footprint(doc, view, state.layer, state.entry), next: null, pinned: null };
  const beyond = state.entry.map((e, a) => (a === state.neighbour ? e + 1 : e));
  if (found.products && isEntry(view, state.layer, beyond)) found.next = footprint(doc, view, state.layer, beyond);
  found.shared = found.next ? common(found.products, found.next) : [];
  found.box = found.products && bounds(found.products);
  const uncut = wholeView(doc, view, state.layer);
  if (uncut !== view) found.reach = (entry) => footprint(doc, uncut, state.layer, entry);
  found.whole = found.reach?.(state.entry);
  if (state.pin >= 0 && found.box && view.terms[state.pin]) {
    found.pinEntry = nearestEntry(doc, view, state.pin, middleOf(doc, view, state.layer, state.entry));
    found.pinned = footprint(doc, view, state.pin, found.pinEntry);
  }
  found.window = windowOf(app, view, found).map((whole, a) =>
    limited(whole, found.box?.[a] ?? whole, Math.max(4, Math.ceil((whole[1] - whole[0]) / state.zoom))));
  found.cut = state.cut.map((c, a) => (c !== null || !found.box ? c ?? 0 : Math.floor((found.box[a][0] + found.box[a][1] - 1) / 2)));
  return found;
}

// Pixels [first, stop) per axis: the image and what entries reach beyond it, or without borders what the footprints have.
function windowOf(app, view, found) {
  const boxes = [found.products, found.next, found.pinned].map((p) => p && bounds(p)).filter(Boolean);
  if (!view.input_size)
    return app.doc.axes.map((_, a) => {
      const [low, high] = [Math.min(...boxes.map((b) => b[a][0])), Math.max(...boxes.map((b) => b[a][1]))];
      const margin = Math.max(2, Math.ceil((high - low) / 12));
      return boxes.length ? limited([low - margin, high + margin], [low, high]) : [0, 16];
    });
  const size = view.figures.map_size[app.state.layer];
  const ends = app.state.padding && found.reach ? [size.map(() => 0), size.map((n) => n - 1)].map((e) => bounds(found.reach(e))) : [];
  return view.input_size.map((n, a) => {
    const low = Math.min(0, ...ends.filter(Boolean).map((b) => b[a][0]));
    const high = Math.max(n, ...ends.filter(Boolean).map((b) => b[a][1]));
    return limited([Math.max(low, -Math.ceil(n / 2)), Math.min(high, n + Math.ceil(n / 2))], found.box?.[a] ?? [0, n]);
  });
}

// A window, or the part of it around the footprint that is as long as is wanted.
function limited([low, high], [first, stop], length = WIDEST) {
  const start = Math.max(low, Math.min(Math.floor((first + stop - length) / 2), high - length));
  return high - low <= length ? [low, high] : [start, start + length];
}

// A layer that only passes its source on has the number of that in its place.
export const fieldOf = ({ fields }, layer) => (typeof fields.of[layer] === "number" ? fieldOf({ fields }, fields.of[layer]) : fields.of[layer]);

// The contours of a layer's effective field, moved to an entry; null where none are known for it.
export function fieldAt(app, layer, entry) {
  const { doc } = app;
  const [field, view] = [fieldOf(doc, layer), app.view()];
  const other = doc.fields.input_size && String(view.input_size) !== String(doc.fields.input_size);
  if (!field || other || !view.as_without_borders[layer]) return null;
  Object.assign(field, field.grid ? null : { grid: unrolled(field.levels), found: {} });
  if (String(entry) === String(field.entry)) return { ...field, moved: entry.map(() => 0), alike: true };
  const interior = doc.fields.input_size ? null : doc.views.find((v) => !v.input_size);
  const [here, there] = [entry, field.entry].map((e) => interior && middleOf(doc, interior, layer, e));
  const phase = (family, a) => (entry[a] - field.entry[a]) % doc.families[family].phases.length;
  const alike = here && interior.terms[layer].every((term) => !term.some(phase)); // an entry of another phase has another field
  return here && there && { ...field, moved: here.map((middle, a) => Math.round(middle - there[a])), alike };
}
