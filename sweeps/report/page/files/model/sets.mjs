// Sets of pixels along one axis, as rising runs: [first, stop, first, stop, …], half-open.

// The set of an entry, from a family of docs/formats.md: phases of runs [entries, first, step, shape].
export function entrySet(family, shapes, entry) {
  if (family.sets) return family.sets[entry]; // of a size that the page works out
  const phases = family.phases.length;
  let at = Math.floor(entry / phases);
  for (const [entries, first, step, shape] of family.phases[((entry % phases) + phases) % phases]) {
    if (entries === null || at < entries) return place(shapes[shape], first + step * at);
    at -= entries;
  }
  throw new RangeError(`no entry ${entry}`);
}

// A shape is the lengths of what a set has and what it lacks, in turn.
function place(lengths, first) {
  const runs = [];
  for (let i = 0, at = first; i < lengths.length; at += lengths[i], i++) if (i % 2 === 0) runs.push(at, at + lengths[i]);
  return runs;
}

export const size = (runs) => runs.reduce((pixels, edge, i) => pixels + (i % 2 ? edge : -edge), 0);

export function has(runs, pixel) {
  for (let i = 0; i < runs.length; i += 2) if (pixel < runs[i + 1]) return pixel >= runs[i];
  return false;
}

export function intersect(a, b) {
  const runs = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [low, high] = [Math.max(a[i], b[j]), Math.min(a[i + 1], b[j + 1])];
    if (low < high) runs.push(low, high);
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  return runs;
}

export function unite(sets) {
  const pieces = [];
  for (const runs of sets) for (let i = 0; i < runs.length; i += 2) pieces.push([runs[i], runs[i + 1]]);
  const runs = [];
  for (const [low, high] of pieces.sort((a, b) => a[0] - b[0])) {
    const end = runs.length - 1;
    if (end > 0 && low <= runs[end]) runs[end] = Math.max(runs[end], high);
    else runs.push(low, high);
  }
  return runs;
}

// What of a set lies outside [low, high).
export const outside = (runs, low, high) => [...intersect(runs, [-Infinity, low]), ...intersect(runs, [high, Infinity])];

export const longestGap = (runs) => Math.max(0, ...runs.map((first, i) => (i > 1 && i % 2 === 0 ? first - runs[i - 1] : 0)));
