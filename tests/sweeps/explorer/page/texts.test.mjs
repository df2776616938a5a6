// Numbers, copies, the tree and the address.
import assert from "node:assert/strict";
import test from "node:test";
import { csv, latex, markdown } from "../../../../sweeps/report/page/files/model/copy.mjs";
import { perAxis, percent, shareBelow, short, text, unrolled } from "../../../../sweeps/report/page/files/model/numbers.mjs";
import { fromHash, toHash } from "../../../../sweeps/report/page/files/model/state.mjs";
import { edges, lanes, layersOf, ranks, visibleRows } from "../../../../sweeps/report/page/files/model/tree.mjs";

const leaf = (name, label, layer, depth) => ({ name, label, layer, depth, children: [] });
const INNER = { ...leaf("a.b", "b", 1, 2), children: [leaf("a.b.c", "c", 1, 3), leaf("a.b.d", "d", 4, 3)] };
const OUTER = { ...leaf("a", "a", 2, 1), children: [INNER, leaf("a", "(output)", 2, 2)] };
const DOC = {
  name: "n", tree: [leaf("stem", "stem", 0, 1), OUTER, leaf("out", "out", 3, 1)], modules: { a: 2, "a.b": 1 }, axes: ["y", "x"],
  layers: [
    { name: "stem", inputs: [-1] }, { name: "a.b.c", inputs: [0] }, { name: "a", inputs: [0, 1] },
    { name: "out", inputs: [2, 0] }, { name: "a.b.d", inputs: [0] },
  ],
};

test("numbers in words", () => {
  assert.deepEqual([text(null), text(3), text(0.12345), text(true), perAxis([2, 2]), perAxis([2, 3])], ["–", "3", "0.123", "yes", "2", "2×3"]);
  assert.deepEqual([percent(0.5123), percent(0.0123), percent(0), percent(0.9999), percent(1), percent(1e-5), short(2.3e9), short(12)], ["51 %", "1.2 %", "0 %", "over 99.9 %", "100 %", "under 0.1 %", "2.3G", "12"]);
  assert.deepEqual(unrolled([0, 2, 3, 1]), [0, 0, 3]);
  assert.equal(shareBelow([1, 2, 4], [1, 3], 2), 0.25);
  assert.ok(Math.abs(shareBelow([1, 2, 4], [1, 3], 2 ** 1.5) - 0.625) < 1e-12);
});

test("copies of a table keep texts as texts", () => {
  const rows = [["=cmd()", 'a"b,c'], ["a_b&c\\d|e", "-3"]];
  assert.equal(csv(["l", "v"], rows), "l,v\n'=cmd(),\"a\"\"b,c\"\na_b&c\\d|e,-3\n");
  assert.match(markdown(["l", "v"], rows), /\| a\\_b&c\\\\d\\\|e \| -3 \|/);
  assert.match(latex(["l", "v"], rows), /a\\_b\\&c\\textbackslash{}d\|e & -3 \\\\/);
});

test("the tree folds modules, and edges lead to what is shown", () => {
  const folded = visibleRows(DOC.tree, new Set());
  assert.deepEqual(folded.map((r) => r.node.name), ["stem", "a", "out"]);
  assert.deepEqual(layersOf(folded[1].node).sort(), [1, 2, 4]);
  assert.deepEqual(edges(DOC, folded), [[-1, 0], [0, 1], [1, 2], [0, 2]]);
  const open = visibleRows(DOC.tree, new Set(["a", "a.b"]));
  assert.deepEqual(open.map((r) => [r.node.label, r.header]), [["stem", false], ["a", true], ["b", true], ["c", false], ["d", false], ["(output)", false], ["out", false]]);
  assert.deepEqual(ranks(3, edges(DOC, folded)), [1, 2, 3]);
  assert.deepEqual([...lanes(edges(DOC, folded)).values()].sort(), [0, 0, 0, 1]);
});

test("an address opens the page as it was, and names that are no longer there do no harm", () => {
  const first = { layer: 0, pin: -1, entry: [0, 0], open: new Set(["a"]), box: [], view: "4x4", zoom: 1, formulas: false, category: "" };
  const state = { ...first, layer: 3, pin: 1, entry: [4, 5], open: new Set(), formulas: true, category: "a&b=c", box: [1, 2, 3, 4] };
  assert.deepEqual(fromHash(DOC, `#${toHash(DOC, state, first)}`, first), state);
  assert.equal(toHash(DOC, first, first), "");
  const odd = fromHash(DOC, "#layer=gone&open=%5B%22constructor%22%5D&entry=x&zoom=two&__proto__=3&pin=gone&open2=1", first);
  assert.deepEqual(odd, { ...first, open: new Set() });
});
