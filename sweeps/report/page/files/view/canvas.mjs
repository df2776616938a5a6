// The image with the footprint of the chosen entry. Footprints are painted one dot a pixel, on canvases of their own.
import { outsideImage, rectangles, nearestEntry } from "../model/footprint.mjs";
import { color, el, sharp } from "./dom.mjs";
import { fieldAt, planes, scene } from "./scene.mjs";

const [HIGHEST, STRIP, VOLUME] = [460, 56, 250]; // CSS pixels of a plane, of one axis, of each of three planes
const SIDES = [[-0.5, 0], [0, 0.5], [0.5, 0], [0, -0.5]]; // of the square between the middles of four cells
const SMALLEST = 5; // CSS pixels of a rectangle that is outlined by itself

export function createCanvas(app, place, told) {
  const parts = planes(app.doc.axes.length).map((plane) => {
    const layers = ["photo", "mask", "pinned", "marks"].map((name) => el("canvas", { class: name }));
    const label = plane.cut === null ? "image" : `plane ${app.doc.axes[plane.cut]}`;
    const stage = el("div", { class: "stage", "data-plane": plane.cut ?? "" }, layers);
    const oninput = (e) => app.set({ cut: app.state.cut.map((c, a) => (a === plane.cut ? Number(e.target.value) : c)) });
    const slider = plane.cut === null ? null : el("input", { type: "range", "aria-label": `pixel of axis ${app.doc.axes[plane.cut]}`, oninput });
    const where = el("span", { class: "muted" });
    place.append(el("figure", { "aria-label": label }, stage, plane.cut === null ? null : el("figcaption", {}, where, slider)));
    const part = { plane, stage, slider, where, canvases: Object.fromEntries(layers.map((c) => [c.className, c])) };
    listen(app, part);
    return part;
  });
  return () => {
    const [now, width] = [scene(app), Math.min(place.clientWidth, parts.length === 3 ? VOLUME : Infinity)];
    for (const part of parts) drawPart(app, part, now, width);
    told(now);
  };
}

function drawPart(app, part, now, width) {
  const { plane } = part;
  const [rows, columns] = plane.axes.map((a) => (a === null ? [0, 1] : now.window[a]));
  const [height, length] = [rows[1] - rows[0], columns[1] - columns[0]];
  const scale = plane.axes[0] === null ? width / length : Math.min(width / length, HIGHEST / height);
  const tall = plane.axes[0] === null ? STRIP / scale : height;
  Object.assign(part, { rows, columns, scale, tall: tall / height });
  const [w, h] = [length * scale, tall * scale];
  Object.assign(part.stage.style, { width: `${w}px`, height: `${h}px` });
  const cut = plane.cut === null ? null : [plane.cut, now.cut[plane.cut]];
  if (cut) {
    const [low, high] = now.window[plane.cut];
    Object.assign(part.slider, { min: low, max: high - 1, value: cut[1] });
    part.where.textContent = `${app.doc.axes[plane.cut]} = ${cut[1]} `;
  }
  Object.assign(part.stage.dataset, { origin: [rows[0], columns[0]].join(), cut: cut ? cut[1] : "" });
  paint(part.canvases.mask, part, [[now.products, color("footprint")], [now.shared, color("shared")]], cut);
  paint(part.canvases.pinned, part, [[now.pinned, color("pin")]], cut);
  drawPhoto(app, part, sharp(part.canvases.photo, w, h));
  drawMarks(app, part, sharp(part.canvases.marks, w, h), now, cut);
}

// One dot for each pixel of the window, so that what is painted is the footprint itself.
function paint(canvas, part, layers, cut) {
  const [height, width] = [part.rows[1] - part.rows[0], part.columns[1] - part.columns[0]];
  if (canvas.height !== height || canvas.width !== width) [canvas.height, canvas.width] = [height, width];
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  for (const [products, fill] of layers) {
    context.fillStyle = fill;
    for (const [top, bottom, left, right] of rectangles(products ?? [], part.plane.axes, cut))
      context.fillRect(left - part.columns[0], top - part.rows[0], right - left, bottom - top);
  }
}

const corner = (part, y, x) => [(x - part.columns[0]) * part.scale, (y - part.rows[0]) * part.scale * part.tall];

const box = (part, [top, bottom, left, right]) => [...corner(part, top, left), (right - left) * part.scale, (bottom - top) * part.scale * part.tall];

function imageBox(app, { plane: { axes } }) {
  const size = app.view().input_size;
  return size && [0, axes[0] === null ? 1 : size[axes[0]], 0, size[axes[1]]];
}

function drawPhoto(app, part, context) {
  const image = imageBox(app, part);
  const area = image ? box(part, image) : [0, 0, context.canvas.clientWidth, context.canvas.clientHeight];
  context.fillStyle = color("paper");
  context.fillRect(...area);
  if (app.photo && image && part.plane.cut === null) context.drawImage(app.photo, ...area);
  let step = 1;
  while (step * part.scale < 18) step *= 2;
  Object.assign(context, { strokeStyle: color("grid"), fillStyle: color("muted"), font: "10px system-ui, sans-serif" });
  context.beginPath();
  const label = Math.ceil(40 / (step * part.scale)) * step;
  for (let p = Math.ceil(part.columns[0] / step) * step; p <= part.columns[1]; p += step) {
    const [x] = corner(part, 0, p);
    line(context, [x, 0], [x, 1e4]);
    if (p % label === 0) context.fillText(p, x + 2, 10);
  }
  for (let p = Math.ceil(part.rows[0] / step) * step; p <= part.rows[1] && part.plane.axes[0] !== null; p += step) {
    const [, y] = corner(part, p, 0);
    line(context, [0, y], [1e4, y]);
    if (p % label === 0 && y > 24) context.fillText(p, 2, y - 2);
  }
  context.stroke();
}

function drawMarks(app, part, context, now, cut) {
  const image = imageBox(app, part);
  if (image && now.whole) {
    context.fillStyle = hatch(context);
    const beyond = outsideImage(now.whole, app.view().input_size);
    for (const r of rectangles(beyond, part.plane.axes, cut)) context.fillRect(...box(part, r));
  }
  if (image) stroke(context, box(part, image), color("ink"), 1.5);
  if (now.next) {
    const outlined = rectangles(now.next, part.plane.axes, cut);
    const small = outlined.some(([top, bottom, left, right]) => Math.min(bottom - top, right - left) * part.scale < SMALLEST);
    const ends = [0, 1, 2, 3].map((side) => Math[side % 2 ? "max" : "min"](...outlined.map((r) => r[side])));
    if (outlined.length) for (const r of small ? [ends] : outlined) stroke(context, box(part, r), color("next"), 1);
  }
  if (app.state.field) drawField(app, part, context, cut);
  const [y, x, bottom, right] = app.state.box.length === 2 ? [0, app.state.box[0], 1, app.state.box[1]] : app.state.box;
  if (right !== undefined) stroke(context, box(part, [y, bottom, x, right]), color("object"), 2);
}

function stroke(context, [x, y, w, h], style, width) {
  Object.assign(context, { strokeStyle: style, lineWidth: width });
  context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
}

function hatch(context) {
  const tile = el("canvas", { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  Object.assign(pen, { strokeStyle: color("padding"), lineWidth: 1.5 });
  pen.beginPath();
  for (const x of [-8, 0, 8]) line(pen, [x - 1, 9], [x + 9, -1]);
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

// The contours that hold 50, 80 and 95 % of the paths: lines between the middles of cells inside and outside.
function drawField(app, part, context, cut) {
  const [field, [a, b]] = [fieldAt(app, app.state.layer, app.state.entry), part.plane.axes];
  if (!field) return;
  const start = (axis) => field.first[axis] + field.moved[axis];
  const at = cut ? Math.floor((cut[1] - start(cut[0])) / field.cell[cut[0]]) : 0;
  if (cut && (at < 0 || at >= field.shape[cut[0]])) return;
  const point = (r, c) => corner(part, a === null ? r : start(a) + r * field.cell[a], start(b) + c * field.cell[b]);
  (field.found[[a, b, at]] ??= contours(field, a, b, cut?.[0], at)).forEach((segments, i) => {
    context.beginPath();
    for (const [r, c, toR, toC] of segments) line(context, point(r, c), point(toR, toC));
    Object.assign(context, { strokeStyle: color("field"), lineWidth: i + 1 }).stroke();
  });
}

// Of each contour the segments [row, column, row, column] in cells; found once for every plane.
function contours(field, a, b, cutAxis, at) {
  const [rows, columns] = [a === null ? 1 : field.shape[a], field.shape[b]];
  const strides = field.shape.map((_, axis) => field.shape.slice(axis + 1).reduce((n, size) => n * size, 1));
  const [row, fixed] = [a === null ? 0 : strides[a], at * (strides[cutAxis] ?? 0)]; // of one axis, all rows are alike
  const within = (r, c) => c >= 0 && c < columns && (!row || (r >= 0 && r < rows));
  const level = (r, c) => (within(r, c) ? field.grid[fixed + r * row + c * strides[b]] : 0);
  const found = [[], [], []];
  for (let r = 0; r <= rows; r++)
    for (let c = 0; c <= columns; c++) {
      const around = [level(r - 1, c - 1), level(r - 1, c), level(r, c), level(r, c - 1)];
      for (let contour = Math.min(...around) + 1; contour <= Math.max(...around); contour++) {
        const crossed = SIDES.filter((_, i) => around[i] >= contour !== around[(i + 1) % 4] >= contour);
        for (let i = 0; i < crossed.length; i += 2)
          found[contour - 1].push([r + crossed[i][0], c + crossed[i][1], r + crossed[i + 1][0], c + crossed[i + 1][1]]);
      }
    }
  return found;
}

const line = (context, from, to) => [context.moveTo(...from), context.lineTo(...to)];

// A click chooses the entry that is nearest; a drag draws the box of an object.
function listen(app, part) {
  let from = null;
  const pixel = ({ clientX, clientY }) => {
    const { left, top } = part.stage.getBoundingClientRect();
    return [part.rows[0] + (clientY - top) / (part.scale * part.tall), part.columns[0] + (clientX - left) / part.scale];
  };
  const moved = (to) => Math.max(Math.abs(to[0] - from[0]) * part.tall, Math.abs(to[1] - from[1])) * part.scale > 5;
  const boxOf = (to) => {
    const ends = [Math.min, Math.max].map((end) => [0, 1].map((a) => Math.round(end(from[a], to[a]))));
    return ends.flatMap(([y, x]) => (part.plane.axes[0] === null ? [x] : [y, x]));
  };
  part.stage.addEventListener("pointerdown", (event) => {
    from = pixel(event);
    part.stage.setPointerCapture(event.pointerId);
  });
  part.stage.addEventListener("pointermove", (event) => {
    if (from && part.plane.cut === null && moved(pixel(event))) app.set({ box: boxOf(pixel(event)) });
  });
  part.stage.addEventListener("pointerup", (event) => {
    const [to, { cut }] = [pixel(event), scene(app)];
    const clicked = from && !moved(to);
    from = null;
    if (!clicked) return;
    const wanted = app.doc.axes.map((_, a) => (part.plane.axes.includes(a) ? to[part.plane.axes.indexOf(a)] : cut[a]));
    const entry = nearestEntry(app.doc, app.view(), app.state.layer, wanted);
    if (entry) app.set({ entry });
  });
}
