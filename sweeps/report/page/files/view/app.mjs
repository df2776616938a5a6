// The state of the page: one object, changed by `set`, which draws what depends on it and writes the address.
import { mapSize, middleOf, nearestEntry } from "../model/footprint.mjs";
import { fromHash, toHash } from "../model/state.mjs";
import { buildTree, edges, firstOpen, visibleRows } from "../model/tree.mjs";

const FIRST_ROWS = 30;

export function createApp(doc, inAddress) {
  const tree = buildTree(doc);
  const [drawers, first] = [[], firstState(doc, tree)];
  const app = { doc, tree, first, state: first, photo: null, listen: (draw) => drawers.push(draw) };
  let [waiting, writing] = [null, null];
  const write = () => history.replaceState(null, "", `#${toHash(doc, app.state, first)}`);
  const draw = () => {
    const changed = waiting;
    waiting = null;
    for (const drawer of drawers) drawer(changed);
    clearTimeout(writing); // some browsers refuse addresses that change often; a page in a notebook has none
    if (inAddress && location.protocol !== "about:") writing = setTimeout(write, 200);
  };
  app.set = (change) => {
    const view = doc.views[change.view ?? app.state.view] ? (change.view ?? app.state.view) : 0;
    const next = { ...app.state, ...change, view };
    if (next.layer !== app.state.layer && !("entry" in change)) next.entry = sameplace(app, next) ?? next.entry;
    next.entry = fitting(doc.views[view], next.layer, next.entry);
    app.state = next;
    if (!waiting) requestAnimationFrame(draw);
    waiting = new Set([...(waiting ?? []), ...Object.keys(change)]);
  };
  app.open = (hash) => app.set(fromHash(doc, hash, first));
  app.view = () => doc.views[app.state.view];
  app.rows = () => visibleRows(tree, app.state.open);
  return Object.assign(app, { edges: (rows) => edges(doc, rows), row: shownRow });
}

function firstState(doc, tree) {
  const view = doc.views[0];
  const local = (layer) => view.terms[layer] && !view.figures.is_global[layer];
  const layer = doc.outputs.map((o) => o.layer).find(local) ?? Math.max(0, doc.layers.findLastIndex((_, i) => local(i)));
  const entry = mapSize(view, layer)?.map((n) => Math.floor(n / 2)) ?? doc.axes.map(() => 0);
  return {
    view: 0, layer, entry, pin: -1, open: firstOpen(tree, FIRST_ROWS), neighbour: doc.axes.length - 1,
    padding: true, field: true, zoom: 1, box: [], cut: doc.axes.map(() => null),
    rule: 0, category: "", tile: -1, formulas: false, sort: "", down: false,
  };
}

// The entry of another layer that is nearest to the footprint shown.
function sameplace(app, next) {
  const middle = middleOf(app.doc, app.doc.views[app.state.view], app.state.layer, app.state.entry);
  const view = app.doc.views[next.view];
  return middle && view.terms[next.layer] && nearestEntry(app.doc, view, next.layer, middle);
}

// An entry that the map has.
function fitting(view, layer, entry) {
  const n = mapSize(view, layer);
  return n ? n.map((size, a) => Math.min(Math.max(Math.round(entry[a] ?? 0), 0), size - 1)) : entry.map(Math.round);
}

// The row that shows a layer: its own, or that of the folded module around it.
function shownRow(layer, rows) {
  const contains = (node) => (node.children.length ? node.children.some(contains) : node.layer === layer);
  return rows.findIndex(({ node, header }) => !header && contains(node));
}
