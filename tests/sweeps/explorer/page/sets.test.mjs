// Sets and footprints against plain sets of pixels.
import assert from "node:assert/strict";
import test from "node:test";
import { area, bounds, common, figures, outsideImage, rectangles } from "../../../../sweeps/report/page/files/model/footprint.mjs";
import { entrySet, has, intersect, longestGap, outside, size, unite } from "../../../../sweeps/report/page/files/model/sets.mjs";

// a small generator, so that a failure comes again
function random(seed) {
  let state = seed;
  return (n) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * n);
  };
}

function runs(draw, most = 5) {
  const found = [];
  let at = draw(6) - 3;
  for (let i = draw(most); i > 0; i--) {
    const end = at + 1 + draw(4);
    found.push(at, end);
    at = end + 1 + draw(3);
  }
  return found;
}

function pixels(set) {
  const found = new Set();
  for (let i = 0; i < set.length; i += 2) for (let p = set[i]; p < set[i + 1]; p++) found.add(p);
  return found;
}

const sorted = (set) => [...set].sort((a, b) => a - b);

test("sets of runs are sets of pixels", () => {
  const draw = random(1);
  for (let n = 0; n < 500; n++) {
    const [a, b] = [runs(draw), runs(draw)];
    const [A, B] = [pixels(a), pixels(b)];
    assert.equal(size(a), A.size);
    assert.deepEqual(sorted(pixels(intersect(a, b))), sorted([...A].filter((p) => B.has(p))));
    assert.deepEqual(sorted(pixels(unite([a, b]))), sorted(new Set([...A, ...B])));
    assert.equal(size(unite([a, b])), new Set([...A, ...B]).size);
    assert.deepEqual(sorted(pixels(outside(a, 0, 4))), sorted([...A].filter((p) => p < 0 || p >= 4)));
    for (let p = -6; p < 30; p++) assert.equal(has(a, p), A.has(p));
  }
});

test("an entry stands in its phase, in the run that holds it", () => {
  const shapes = [[3], [1, 2, 1], []];
  const family = { entries: 7, phases: [[[2, 10, 4, 0], [2, 50, 0, 1]], [[3, 0, 1, 2]]] };
  assert.deepEqual([0, 2, 4, 6].map((e) => entrySet(family, shapes, e)), [[10, 13], [14, 17], [50, 51, 53, 54], [50, 51, 53, 54]]);
  assert.deepEqual(entrySet(family, shapes, 3), []);
  assert.throws(() => entrySet(family, shapes, 8), RangeError);
  assert.deepEqual(entrySet({ entries: 1, phases: [[[1, -3, 0, 0]]] }, [[3, 1, 1]], 0), [-3, 0, 1, 2]);
  const endless = { entries: null, phases: [[[null, 0, 8, 0]], [[null, 3, 8, 0]]] };
  assert.deepEqual([-3, -2, 5].map((e) => entrySet(endless, shapes, e)), [[-13, -10], [-8, -5], [19, 22]]);
});

test("unions of products are sets of cells", () => {
  const draw = random(7);
  for (let n = 0; n < 200; n++) {
    const ndim = 1 + draw(3);
    const make = () => Array.from({ length: 1 + draw(3) }, () => Array.from({ length: ndim }, () => runs(draw, 3))).filter((p) => p.every((r) => r.length));
    const cells = (products) => new Set(products.flatMap((p) => p.map((r) => [...pixels(r)]).reduce((rows, axis) => rows.flatMap((row) => axis.map((v) => [...row, v])), [[]]).map(String)));
    const [a, b] = [make(), make()];
    assert.equal(area(a), cells(a).size);
    const both = [...cells(a)].filter((c) => cells(b).has(c));
    assert.deepEqual([...cells(common(a, b))].sort(), both.sort());
    assert.equal(area(common(a, b)), both.length);
    const image = Array.from({ length: ndim }, () => 3);
    const out = [...cells(a)].filter((c) => c.split(",").some((v) => v < 0 || v >= 3));
    assert.deepEqual([...cells(outsideImage(a, image))].sort(), out.sort());
    if (a.length && b.length) assert.equal(figures(a, b).overlap, both.length / cells(a).size);
    if (ndim === 3 && a.length) {
      const at = bounds(a)[1][0];
      const drawn = new Set();
      for (const [t, u, l, r] of rectangles(a, [0, 2], [1, at])) for (let y = t; y < u; y++) for (let x = l; x < r; x++) drawn.add(`${y},${at},${x}`);
      assert.deepEqual([...drawn].sort(), [...cells(a)].filter((c) => Number(c.split(",")[1]) === at).sort());
    }
  }
});

test("gaps", () => {
  assert.equal(longestGap([0, 2, 5, 6, 7, 8]), 3);
  assert.equal(longestGap([]), 0);
});
