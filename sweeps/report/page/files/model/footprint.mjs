// Footprints: unions of products, each a set per axis. A set of products is a list; empty ones are left out.
import { entrySet, has, intersect, longestGap, outside, size, unite } from "./sets.mjs";

const filled = (products) => products.filter((product) => product.every((runs) => runs.length));

// The footprint of an entry of a layer in a view; null where the view has no terms of it.
export function footprint(doc, view, layer, entry) {
  const terms = view.terms[layer];
  return terms && filled(terms.map((term) => term.map((family, a) => entrySet(doc.families[family], doc.shapes, entry[a]))));
}

// Entries of a layer's map per axis; null without borders.
export const mapSize = (view, layer) => view.input_size ? view.figures.map_size[layer] : null;
export const isEntry = (view, layer, entry) => entry.every((e, a) => !view.input_size || (e >= 0 && e < mapSize(view, layer)[a]));

export const common = (one, other) => filled(one.flatMap((p) => other.map((q) => p.map((runs, a) => intersect(runs, q[a])))));

// Pixels of a union: along the first axis, the pieces that the same products have.
export function area(products) {
  if (!products.length) return 0;
  if (products[0].length === 1) return size(unite(products.map((p) => p[0])));
  if (products.length === 1) return products[0].reduce((n, runs) => n * size(runs), 1);
  const cuts = [...new Set(products.flatMap((p) => p[0]))].sort((a, b) => a - b);
  return cuts.slice(1).reduce((pixels, stop, i) => {
    const members = products.filter((p) => has(p[0], cuts[i]));
    return pixels + (stop - cuts[i]) * area(members.map((p) => p.slice(1)));
  }, 0);
}

// First pixel and the one after the last, per axis; null of an empty footprint.
export function bounds(products) {
  if (!products.length) return null;
  return products[0].map((_, a) => [Math.min(...products.map((p) => p[a][0])), Math.max(...products.map((p) => p[a][p[a].length - 1]))]);
}

export function figures(products, next) {
  const box = bounds(products);
  if (!box) return { area: 0, extent: [], density: null, gap: 0, overlap: null, box: null };
  const [pixels, extent] = [area(products), box.map(([low, high]) => high - low)];
  const gaps = box.map((_, a) => longestGap(unite(products.map((p) => p[a]))));
  const density = pixels / extent.reduce((n, side) => n * side, 1);
  return { area: pixels, extent, density, gaps, gap: Math.max(...gaps), overlap: next ? area(common(products, next)) / pixels : null, box };
}

// What lies outside the image: for every axis the products with that axis cut, and the axes before it inside.
export function outsideImage(products, image) {
  const cut = (runs, b, a) => (b === a ? outside(runs, 0, image[a]) : b < a ? intersect(runs, [0, image[b]]) : runs);
  return filled(products.flatMap((product) => product.map((_, a) => product.map((runs, b) => cut(runs, b, a)))));
}

// Rectangles [top, bottom, left, right] of a plane; axes[0] null: a row one pixel high. `cut`: [axis, pixel] or null.
export function rectangles(products, axes, cut) {
  const found = [];
  for (const product of products.filter((p) => !cut || has(p[cut[0]], cut[1]))) {
    const [rows, columns] = [axes[0] === null ? [0, 1] : product[axes[0]], product[axes[1]]];
    for (let r = 0; r < rows.length; r += 2)
      for (let c = 0; c < columns.length; c += 2) found.push([rows[r], rows[r + 1], columns[c], columns[c + 1]]);
  }
  return found;
}

// The view that has a layer's footprints uncut, where there is one: without borders.
export function wholeView(doc, view, layer) {
  const interior = doc.views.find((v) => !v.input_size);
  return interior?.terms[layer] && view.as_without_borders[layer] ? interior : view;
}

// The middle of a footprint, uncut where that is known; null of an empty one.
export function middleOf(doc, view, layer, entry) {
  const whole = footprint(doc, wholeView(doc, view, layer), layer, entry);
  return whole && bounds(whole)?.map(([low, high]) => (low + high) / 2);
}

// The entry whose footprint has its middle nearest to a pixel, axis by axis.
export function nearestEntry(doc, view, layer, pixel) {
  const [n, terms] = [mapSize(view, layer), wholeView(doc, view, layer).terms[layer]];
  return terms && pixel.map((wanted, a) => {
    const middle = (e) => {
      const runs = unite(terms.map((term) => entrySet(doc.families[term[a]], doc.shapes, e)));
      return runs.length ? (runs[0] + runs[runs.length - 1]) / 2 : NaN;
    };
    const { phases } = doc.families[terms[0][a]];
    const guess = n ? 0 : Math.round(((wanted - middle(0)) * phases.length) / phases[0][0][2]) - phases.length;
    let [best, least] = [guess, Infinity];
    for (let e = guess; e <= guess + (n ? n[a] - 1 : 2 * phases.length); e++) {
      const away = Math.abs(middle(e) - wanted);
      if (away < least) [best, least] = [e, away];
    }
    return best;
  });
}
