// Other input sizes: the maps and footprints of all layers, worked out from the rules of docs/formats.md.
import { area, common, figures, footprint } from "./footprint.mjs";
import { intersect, size, unite } from "./sets.mjs";

const [MOST_TERMS, MOST_PIXELS] = [64, 8192]; // products of a union; pixels along an axis
const WHOLE = { reads: { kind: "whole" } };
const range = (low, high) => Array.from({ length: high - low }, (_, i) => low + i);
const same = (one, other) => String(one) === String(other);
const product = (numbers) => numbers.reduce((n, v) => n * v, 1);
const familyOf = (sets) => ({ sets, after: new Map(), over: new Map(), number: null });

// The entries of a map of n that entry o of a map of m reads, by kind of rule.
const READS = {
  table: ({ up, down, taps }, o) => taps[o % up].map((tap) => down * Math.floor(o / up) + tap),
  whole: (_, _o, n) => range(0, n),
  running: ({ earlier, later }, o, n) => range(earlier ? 0 : o, later ? n : o + 1),
  adaptive: (_, o, n, m) => range(Math.floor((o * n) / m), Math.ceil(((o + 1) * n) / m)),
  crop: (_, o, n, m) => [o + Math.floor((n - m) / 2)],
  flip: (_, o, n) => [n - 1 - o],
  resample: ({ mode, coordinates, rounding }, o, n, m) => {
    const [corners, single] = [coordinates === "align_corners", Math.min(n, m) === 1];
    const half = coordinates === "half_pixel";
    const [above, below] = half ? [(2 * o + 1) * n - m, 2 * m] : corners && !single ? [o * (n - 1), m - 1] : [o * n, m];
    const base = Math.floor(above / below);
    const rest = above - base * below;
    if (corners && single) return [base];
    const up = { floor: false, ceil: rest > 0, down: 2 * rest > below, up: 2 * rest >= below }[rounding];
    if (mode === "nearest") return [base + Number(up)];
    return !rest ? [base] : mode === "bilinear" ? [base, base + 1] : [base - 1, base, base + 1, base + 2];
  },
};

// Which entry a read outside the map is.
const BORDERS = {
  zeros: (t) => t,
  replicate: (t, n) => Math.min(Math.max(t, 0), n - 1),
  circular: (t, n) => ((t % n) + n) % n,
  reflect: (t, n) => (t < 0 ? -t : t >= n ? 2 * n - 2 - t : t),
};

const sizeAfter = ({ first, mul, add, div, multiple }, n) =>
  n % multiple ? 0 : n <= first.length ? first[n - 1] : Math.floor((n * mul + add) / div);
const readsAt = ({ reads }, n) => (Array.isArray(reads) ? reads[n % reads.length] : reads);

function familyAfter(family, rule, m) {
  const n = family.sets.length;
  const reads = readsAt(rule, n);
  const [move, key] = [BORDERS[reads.border ?? "replicate"], `${m} ${JSON.stringify(reads)}`];
  const setOf = (o) => unite(READS[reads.kind](reads, o, n, m).map((t) => move(t, n)).filter((t) => t >= 0 && t < n).map((t) => family.sets[t]));
  const made = () => familyOf(reads.kind === "whole" ? new Array(m).fill(setOf(0)) : range(0, m).map(setOf));
  if (!family.after.has(key)) family.after.set(key, made());
  return family.after.get(key);
}

const termsAfter = (terms, rules, m) => terms?.map((term) => term.map((family, a) => familyAfter(family, rules[a], m[a]))) ?? null;

// Whether every set of one family holds that of another.
function holds(one, other) {
  const inside = () => other.sets.every((runs, e) => size(intersect(runs, one.sets[e])) === size(runs));
  if (!one.over.has(other)) one.over.set(other, one === other || inside());
  return one.over.get(other);
}

// A union: without terms that others hold, and of two that differ on one axis only the one of both; null of too many.
function united(branches) {
  if (branches.length === 1 && branches[0]?.length === 1) return branches[0];
  if (branches.includes(null)) return null;
  let terms = [];
  for (let term of branches.flat())
    for (;;) {
      if (terms.some((old) => old.every((family, a) => holds(family, term[a])))) break;
      terms = terms.filter((old) => !term.every((family, a) => holds(family, old[a])));
      const differing = (old) => range(0, term.length).filter((a) => !holds(old[a], term[a]) || !holds(term[a], old[a]));
      const joined = terms.find((old) => differing(old).length === 1);
      if (!joined && terms.push(term) <= MOST_TERMS) break;
      if (!joined) return null;
      const [axis] = differing(joined);
      terms = terms.filter((old) => old !== joined);
      term = term.map((family, a) => (a === axis ? familyOf(family.sets.map((runs, e) => unite([runs, joined[a].sets[e]]))) : family));
    }
  return terms;
}

function mergedSize(sources, sizes, name) {
  const kept = sources.filter(({ spread }, i) => !(spread && Math.max(...sizes[i]) === 1));
  const found = sizes.filter((_, i) => !kept.length || kept.includes(sources[i]));
  const other = found.find((size) => !same(size, found[0]));
  if (other) throw new RangeError(`${name} merges maps of ${found[0].join("×")} and ${other.join("×")}`);
  return found[0];
}

// One layer at a size: its map, footprints, stride, and whether it is, but for borders, as at any other size.
function layerAt(doc, number, before) {
  const { rules, layers } = doc.program;
  const [{ name }, layer, { size: n, terms, jump, plain }] = [doc.layers[number], layers[number], before[0]];
  if (!layer.rules) {
    const size = mergedSize(before, before.map((b) => b.size), name);
    const branches = before.map((b) => (same(b.size, size) ? b.terms : termsAfter(b.terms, size.map(() => WHOLE), size)));
    const alike = (j, a) => before.every((b) => Math.abs(b.jump[a] - j) <= 1e-9 * Math.abs(j));
    const jumps = jump.map((j, a) => (alike(j, a) ? j : NaN));
    return { size, terms: united(branches), jump: jumps, plain: before.every((b) => b.plain), spread: layer.spread };
  }
  const own = layer.rules.map((r) => rules[r]);
  const size = n.map((entries, a) => sizeAfter(own[a].size, entries));
  if (size.some((entries) => !(entries >= 1))) throw new RangeError(`${name} takes no map of ${n.join("×")}`);
  const ratio = ({ kind, up, down, coordinates }, a) => {
    const corners = coordinates === "align_corners" && Math.min(n[a], size[a]) > 1 ? 1 : 0;
    const scale = (n[a] - corners) / (size[a] - corners);
    return { table: down / up, adaptive: scale, resample: scale, crop: 1, flip: -1 }[kind] ?? NaN;
  };
  const made = termsAfter(terms, own, size);
  return {
    size, terms: own[0].reads.kind === "whole" ? united([made]) : made, // one set per axis and term is left: many become alike
    jump: jump.map((j, a) => j * ratio(readsAt(own[a], n[a]), a)), spread: layer.spread, plain: plain && own.every((r) => r.reads.kind === "table"),
  };
}

export const keyOf = (view) => view.input_size?.join("x") ?? "none";

// The view of a key; one of another size is worked out, and kept.
export function viewAt(doc, key) {
  const known = doc.views.find((view) => keyOf(view) === key);
  if (!known) doc.views.push(viewOf(doc, key.split("x").map(Number)));
  return known ?? doc.views[doc.views.length - 1];
}

// A view like those of the document, which gets its families; a RangeError says why the network does not take the size.
export function viewOf(doc, input) {
  if (doc.program.missing) throw new RangeError(`other sizes are not known here: ${doc.program.missing}`);
  if (input.length !== doc.axes.length || !input.every((n) => n >= 1 && n <= MOST_PIXELS))
    throw new RangeError(`a size is ${doc.axes.join("×")}, each from 1 to ${MOST_PIXELS} pixels`);
  const pixels = new Map(input.map((n) => [n, familyOf(range(0, n).map((p) => [p, p + 1]))]));
  const image = { size: input, terms: [input.map((n) => pixels.get(n))], jump: input.map(() => 1), plain: true, spread: false };
  const [found, known] = [[], doc.views[0].figures];
  doc.program.layers.forEach(({ sources }, i) => found.push(layerAt(doc, i, sources.map((s) => (s < 0 ? image : found[s])))));
  const numberOf = (family) => (family.number ??= doc.families.push(family) - 1);
  const view = {
    input_size: input,
    terms: found.map(({ terms }) => terms?.map((term) => term.map(numberOf)) ?? null),
    as_without_borders: found.map((f) => f.plain),
    without_terms: Object.fromEntries(doc.layers.map(({ name }) => [name, "a union of too many products, which the page does not hold"])),
  };
  const rows = found.map(({ size, jump }, i) => {
    const center = size.map((n) => Math.floor(n / 2));
    const own = footprint(doc, view, i, center);
    const f = own && figures(own, null);
    const next = (a) => footprint(doc, view, i, center.map((e, b) => e + Number(a === b)));
    const overlap = size.map((n, a) => (f?.area && center[a] + 1 < n ? area(common(own, next(a))) / f.area : null));
    const { op, inputs } = doc.layers[i];
    const counted = ["linear", "conv_transpose"].includes(op) ? inputs[0] : i; // the map with whose entries the operations grow
    const [now, then] = counted < 0 ? [input, doc.views[0].input_size] : [found[counted].size, known.map_size[counted]];
    const cost = (name, factor) => (known[name]?.[i] == null || (op === "linear" && !same(now, then)) ? null : known[name][i] * factor);
    return {
      map_size: size, jump: known.is_global[i] ? null : jump.map((j) => (Number.isNaN(j) ? null : j)), overlap,
      area: f?.area ?? null, density: f?.density ?? null, extent: f?.box ? f.extent : f && size.map(() => 0),
      start: f?.box?.map(([low]) => low) ?? null, max_gap: f?.gaps ?? null,
      params: cost("params", 1), macs: cost("macs", product(now) / product(then)),
    };
  });
  view.figures = { is_global: known.is_global, ...Object.fromEntries(Object.keys(rows[0]).map((name) => [name, rows.map((row) => row[name])])) };
  return view;
}
