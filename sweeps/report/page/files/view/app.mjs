// The state of the page: one object, changed by `set`, which draws what depends on it and writes the address.
import { mapSize, middleOf, nearestEntry } from "../model/footprint.mjs";
import { keyOf, viewAt } from "../model/sizes.mjs";
import { fromHash, toHash } from "../model/state.mjs";
import { edges, visibleRows } from "../model/tree.mjs";

export function createApp(doc, inAddress) {
  const [drawers, first] = [[], firstState(doc)];
  const app = { doc, first, state: first, photo: null, problem: "", listen: (draw) => drawers.push(draw) };
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
    const view = viewOr(app, change.view ?? app.state.view);
    const next = { ...app.state, ...change, view };
    const [was, is] = [app.view(), viewAt(doc, view)].map((v) => mapSize(v, next.layer));
    if (view !== app.state.view && was && is && !("entry" in change)) next.entry = next.entry.map((e, a) => Math.floor((e * is[a]) / was[a]));
    if (next.layer !== app.state.layer && !("entry" in change)) next.entry = sameplace(app, next) ?? next.entry;
    next.entry = is ? is.map((n, a) => Math.min(Math.max(Math.round(next.entry[a] ?? 0), 0), n - 1)) : next.entry.map(Math.round);
    app.state = next;
    if (!waiting) requestAnimationFrame(draw);
    waiting = new Set([...(waiting ?? []), ...Object.keys(change)]);
  };
  app.open = (hash) => app.set(fromHash(doc, hash, first));
  app.view = () => viewAt(doc, app.state.view);
  app.rows = () => visibleRows(doc.tree, app.state.open);
  return Object.assign(app, { edges: (rows) => edges(doc, rows), row: shownRow });
}

// The view of a key, or the one that is shown, where the network does not take the size.
function viewOr(app, key) {
  try {
    return [viewAt(app.doc, key), (app.problem = "")] && key;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    app.problem = error.message;
    return app.state.view;
  }
}

function firstState(doc) {
  const entry = mapSize(doc.views[0], doc.start).map((n) => Math.floor(n / 2));
  return {
    view: keyOf(doc.views[0]), layer: doc.start, entry, pin: -1, open: new Set(doc.open), neighbour: doc.axes.length - 1,
    padding: true, field: true, zoom: 1, box: [], cut: doc.axes.map(() => null),
    rule: 0, category: "", tile: -1, formulas: false, sort: "", down: false,
  };
}

// The entry of another layer that is nearest to the footprint shown.
function sameplace(app, next) {
  const middle = middleOf(app.doc, app.view(), app.state.layer, app.state.entry);
  const view = viewAt(app.doc, next.view);
  return middle && view.terms[next.layer] && nearestEntry(app.doc, view, next.layer, middle);
}

// The row that shows a layer: its own, or that of the folded module around it.
function shownRow(layer, rows) {
  const contains = (node) => (node.children.length ? node.children.some(contains) : node.layer === layer);
  return rows.findIndex(({ node, header }) => !header && contains(node));
}
