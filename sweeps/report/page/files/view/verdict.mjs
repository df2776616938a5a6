// The verdict in sentences: outputs, findings, objects, tiles.
import { percent, shareBelow, short, text } from "../model/numbers.mjs";
import { byId, chooser, el } from "./dom.mjs";

export function createVerdict(app) {
  const { doc } = app;
  byId("sentences").append(...doc.verdict.map((line) => el("li", {}, sentence(app, line))));
  for (const part of ["notes", "holes"]) byId(part).append(...doc[part].map((line) => el("li", {}, line)));
  byId("chips").append(...doc.findings.map((finding) => chip(app, finding)));
  if (!doc.findings.length) byId("chips").append(el("li", { class: "muted" }, "check found nothing"));
  const draws = [createHalo(app), createObjects(app)];
  return (changed) => draws.forEach((draw) => draw(changed));
}

// The name of an output at the start of its line leads to the layer.
function sentence(app, line) {
  const found = app.doc.outputs.find((output) => line.startsWith(`${output.name}: `));
  return !found ? line : [el("button", { class: "link", onclick: () => app.set({ layer: found.layer }) }, found.name), line.slice(found.name.length)];
}

function chip(app, finding) {
  const label = [el("b", {}, finding.rule.replaceAll("_", " ")), ` ${finding.layer}`];
  const title = `${finding.message}. ${finding.remedy}`;
  const go = () => [finding.at >= 0 && app.set({ layer: finding.at }), (byId("remedy").textContent = `${finding.layer}: ${title}`)];
  return el("li", {}, el("button", { class: `chip ${finding.level}`, title, onclick: go }, label));
}

// Tiles ----------------------------------------------------------------------------------------------------------------

function createHalo(app) {
  const [{ halo }, place] = [app.doc, byId("halo")];
  if (halo.why_none) {
    place.append(el("p", { class: "muted" }, `No margins for tiles: ${halo.why_none}`));
    return () => null;
  }
  const [told, oninput] = [el("output", { for: "tile" }), (event) => app.set({ tile: Number(event.target.value) })];
  const slider = el("input", { type: "range", id: "tile", min: 0, max: halo.tiles.length - 1, oninput });
  place.append(el("p", {}, halo.sentence), el("label", { for: "tile" }, "Tile "), slider, told);
  const usual = halo.tiles.findIndex((tile) => tile.waste <= 2);
  return () => {
    const at = halo.tiles[app.state.tile] ? app.state.tile : usual < 0 ? halo.tiles.length - 1 : usual;
    const tile = halo.tiles[(slider.value = at)];
    const memory = tile.memory ? `, ${short(tile.memory)}B of maps` : "";
    told.textContent = ` ${tile.tile.join("×")}: crops of ${tile.crop.join("×")}, each useful pixel costs ${text(tile.waste)} computed ones${memory}`;
  };
}

// Objects --------------------------------------------------------------------------------------------------------------

export function counts(app) {
  const sizes = app.doc.objects[app.state.rule] ?? app.doc.objects[0];
  return sizes ? { ...sizes, counts: sizes.categories[app.state.category] ?? sizes.total } : null;
}

function createObjects(app) {
  const [{ objects }, place] = [app.doc, byId("objects")];
  byId("objects-part").hidden = !objects.length;
  if (!objects.length) return () => null;
  const names = Object.keys(objects[0].categories).map((name) => [name, name]);
  const [lines, source, controls] = [el("ul", { class: "plain" }), el("p", { class: "muted" }), el("p", { class: "controls" })];
  place.append(controls, lines, source);
  return (changed) => {
    if (changed && !changed.has("rule") && !changed.has("category")) return;
    const sizes = counts(app);
    controls.replaceChildren(
      chooser("Images resized", objects.map((o, i) => [String(i), o.resize]), String(app.state.rule), (v) => app.set({ rule: Number(v) })),
      chooser("Category", [["", "all objects"], ...names], app.state.category, (v) => app.set({ category: v })),
    );
    const said = app.state.category === "" ? [...sizes.levels.map((l) => l.verdict), ...answers(sizes)] : shares(sizes);
    if (sizes.why_none) said.push(sizes.why_none);
    lines.replaceChildren(...said.map((line) => el("li", {}, line)));
    source.textContent = `${text(sizes.objects)} objects: ${sizes.source}. ${sizes.attribution}`;
  };
}

const answers = (sizes) => sizes.questions.map(([question, answer, why]) => el("span", {}, `${question} `, el("b", {}, answer), `: ${why}`));

// The same sentences for one category: its histogram, and the limits that the levels have.
function shares(sizes) {
  const wide = sizes.entries === 2 ? "two entries" : `${text(sizes.entries)} entries`;
  const below = (limit) => shareBelow(sizes.edges, sizes.counts, limit);
  const lines = sizes.levels.map((level) => {
    const over = level.largest === null ? "" : `, ${percent(1 - below(level.largest))} are larger than its effective box (${text(level.largest)} px)`;
    return `${level.name}: ${percent(below(level.smallest))} are under ${wide} wide (below ${text(level.smallest)} px)${over}`;
  });
  const finer = (sizes.finer ?? []).map((f) => `a ${f.name} would have ${percent(below(f.stride * sizes.entries))} under ${wide}`);
  return [...lines, ...finer];
}
