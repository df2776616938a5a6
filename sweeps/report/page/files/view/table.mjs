// The table: the rows of the graph with all figures, sorted by any column, copied as text.
import { csv, latex, markdown } from "../model/copy.mjs";
import { perAxis, short, side, text } from "../model/numbers.mjs";
import { layersOf } from "../model/tree.mjs";
import { byId, el } from "./dom.mjs";

// name, value to sort by and to show; `exact`: what is copied
function columns(app) {
  const f = app.view().figures;
  const at = (name) => f[name] ?? [];
  const sum = (name) => (node) => {
    const values = layersOf(node).map((layer) => at(name)[layer] ?? NaN);
    const total = values.reduce((all, v) => all + v, 0);
    return Number.isNaN(total) ? null : total;
  };
  const axes = (name) => [(node) => side(at(name)[node.layer]), (node) => perAxis(at(name)[node.layer])];
  const one = (name) => [(node) => at(name)[node.layer] ?? null, (node) => text(at(name)[node.layer])];
  const error = ({ layer }) => (at("published_area")[layer] && at("area")[layer] ? at("published_area")[layer] / at("area")[layer] : null);
  const made = [
    ["op", (node) => app.doc.layers[node.layer].op, (node) => app.doc.layers[node.layer].op],
    ["map", ...axes("map_size")], ["stride", ...axes("jump")], ["extent", ...axes("extent")], ["start", ...axes("start")],
    ["area", ...one("area")], ["density", ...one("density")], ["overlap", ...axes("overlap")], ["gap", ...axes("max_gap")],
    ["params", sum("params"), (node) => short(sum("params")(node))], ["macs", sum("macs"), (node) => short(sum("macs")(node))],
  ];
  if (app.state.formulas)
    made.push(["published area", ...one("published_area")], ["closed form area", ...one("closed_form_area")],
      ["published ÷ exact", error, (node) => text(error(node))]);
  return made.map(([name, value, shown]) => ({ name, value, shown }));
}

export function createTable(app, place) {
  byId("formulas").onchange = (event) => app.set({ formulas: event.target.checked });
  const formats = { CSV: csv, Markdown: markdown, LaTeX: latex };
  byId("copies").append(...Object.entries(formats).map(([name, format]) =>
    el("button", { onclick: () => copy(format(...texts(app))) }, `Copy as ${name}`)));
  byId("fold-all").onclick = () => app.set({ open: new Set() });
  byId("open-all").onclick = () => app.set({ open: new Set(Object.keys(app.doc.modules)) });
  return (changed) => {
    if (changed && !["view", "layer", "open", "sort", "down", "formulas"].some((key) => changed.has(key))) return;
    byId("formulas").checked = app.state.formulas;
    const made = columns(app);
    const rows = sorted(app, made);
    const head = [{ name: "layer" }, ...made].map(({ name }) => {
      const active = app.state.sort === name;
      const [sort, arrow] = !active ? ["none", ""] : app.state.down ? ["descending", " ↓"] : ["ascending", " ↑"];
      return el("th", { scope: "col", "aria-sort": sort }, el("button", { onclick: () => order(app, name) }, name + arrow));
    });
    const body = rows.map(({ node, header }) => el("tr", {
      class: [header && "header", node.layer === app.state.layer && !header && "chosen"].filter(Boolean).join(" ") || null,
      onclick: () => app.set({ layer: node.layer }),
    }, el("th", { scope: "row" }, app.state.sort ? node.name : el("span", { class: `depth${Math.min(node.depth, 6)}` }, node.label)),
    made.map(({ shown }) => el("td", {}, header ? "" : shown(node)))));
    place.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
  };
}

function order(app, name) {
  const { sort, down } = app.state;
  app.set(sort !== name ? { sort: name, down: false } : { sort: down ? "" : name, down: !down });
}

function sorted(app, made) {
  const [rows, { sort, down }] = [app.rows(), app.state];
  const value = sort === "layer" ? (node) => node.name : made.find((c) => c.name === sort)?.value;
  if (!value) return rows;
  const compare = (a, b) => (a === null ? 1 : b === null ? -1 : (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
  return rows.filter((row) => !row.header).sort((a, b) => compare(value(a.node), value(b.node)));
}

function texts(app) {
  const made = columns(app);
  const rows = sorted(app, made).filter((row) => !row.header);
  const exact = ({ name, value, shown }, node) => (["params", "macs"].includes(name) ? String(value(node) ?? "") : shown(node));
  return [["layer", ...made.map((c) => c.name)], rows.map(({ node }) => [node.name, ...made.map((c) => exact(c, node))])];
}

function copy(written) {
  const area = el("textarea", { readonly: true, rows: 6, "aria-label": "copy this", value: written });
  const by_hand = () => [byId("copied").replaceChildren(area), area.select()]; // not every page may write to the clipboard
  if (!navigator.clipboard || location.protocol === "about:") by_hand();
  else navigator.clipboard.writeText(written).then(() => byId("copied").replaceChildren("copied"), by_hand);
}
