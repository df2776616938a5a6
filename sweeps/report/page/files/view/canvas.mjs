// The image with the footprint of the chosen entry. Footprints are painted one dot a pixel, on canvases of their own.
import { outsideImage, rectangles, nearestEntry } from "../model/footprint.mjs";
import { color, el, sharp } from "./dom.mjs";
import { fieldAt, planes, scene } from "./scene.mjs";

const [HIGHEST, STRIP, VOLUME] = [460, 56, 290]; // CSS pixels of a plane, of one axis, of each of three planes
const SIDES = [[-0.5, 0], [0, 0.5], [0.5, 0], [0, -0.5]]; // of the square between the middles of four cells
const SMALLEST = 5; // CSS pixels of a rectangle that is outlined by itself

export function createCanvas(app, place, told) {
  const parts = planes(app.doc.axes.length).map((plane) => {
    const layers = ["photo", "mask", "pinned", "marks"].map((name) => el("canvas", { class: name }));
    const label = plane.cut === null ? "image" : `plane ${app.doc.axes[plane.cut]}`;
    const stage = el("div", { class: "stage", "data-plane": plane.cut ?? "" }, layers);
    const slider = plane.cut === null ? null : el("input", {
      type: "range", "aria-label": `pixel of axis ${app.doc.axes[plane.cut]}`,
      oninput: (e) => app.set({ cut: app.state.cut.map((c, a) => (a === plane.cut ? Number(e.target.value) : c)) }),
    });
    const where = el("span", { class: "muted" });
    place.append(el("figure", { "aria-label": label }, stage, plane.cut === null ? null : el("figcaption", {}, where, slider)));
    const part = { plane, stage, slider, where, canvases: Object.fromEntries(layers.map((c) => [c.className, c])) };
    listen(app, part);
    return part;
  });
  const draw = () => {
    const now = scene(app);
    const width = parts.length === 3 ? Math.min(place.clientWidth, VOLUME) : place.clientWidth;
    for (const part of parts) drawPart(app, part, now, width);
    told(now);
  };
  return draw;
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
  drawPhoto(app, part, sharp(part.canvases.photo, w, h), now);
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

function imageBox(app, part) {
  const size = app.view().input_size;
  if (!size) return null;
  const [a, b] = part.plane.axes;
  return [0, a === null ? 1 : size[a], 0, size[b]];
}

function drawPhoto(app, part, context, now) {
  const image = imageBox(app, part);
  const area = image ? box(part, image) : [0, 0, context.canvas.clientWidth, context.canvas.clientHeight];
  context.fillStyle = color("paper");
  context.fillRect(...area);
  if (app.photo && image && part.plane.cut === null) context.drawImage(app.photo, ...area);
  let step = 1;
  while (step * part.scale < 18) step *= 2;
  context.strokeStyle = color("grid");
  context.fillStyle = color("muted");
  context.font = "10px system-ui, sans-serif";
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
  const chosen = app.state.box;
  if (chosen.length === 4) stroke(context, box(part, [chosen[0], chosen[2], chosen[1], chosen[3]]), color("object"), 2);
  if (chosen.length === 2) stroke(context, box(part, [0, 1, ...chosen]), color("object"), 2);
}

function stroke(context, [x, y, w, h], style, width) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
}

function hatch(context) {
  const tile = el("canvas", { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  pen.strokeStyle = color("padding");
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const x of [-8, 0, 8]) line(pen, [x - 1, 9], [x + 9, -1]);
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

// The contours that hold 50, 80 and 95 % of the paths: lines between the middles of cells inside and outside.
function drawField(app, part, context, cut) {
  const field = fieldAt(app, app.state.layer, app.state.entry);
  if (!field) return;
  const [a, b] = part.plane.axes;
  const [rows, columns] = [a === null ? 1 : field.shape[a], field.shape[b]];
  const strides = field.shape.map((_, axis) => field.shape.slice(axis + 1).reduce((n, size) => n * size, 1));
  const start = (axis) => field.first[axis] + field.moved[axis];
  const at = cut ? Math.floor((cut[1] - start(cut[0])) / field.cell[cut[0]]) : 0;
  if (cut && (at < 0 || at >= field.shape[cut[0]])) return;
  const level = (r, c) => {
    if (c < 0 || c >= columns || (a !== null && (r < 0 || r >= rows))) return 0; // of one axis, all rows are alike
    return field.grid[(a === null ? 0 : r * strides[a]) + c * strides[b] + (cut ? at * strides[cut[0]] : 0)];
  };
  const point = (r, c) => corner(part, a === null ? r : start(a) + r * field.cell[a], start(b) + c * field.cell[b]);
  for (let contour = 1; contour <= 3; contour++) {
    context.beginPath();
    for (let r = 0; r <= rows; r++)
      for (let c = 0; c <= columns; c++) {
        const inside = [level(r - 1, c - 1), level(r - 1, c), level(r, c), level(r, c - 1)].map((l) => l >= contour);
        const crossed = SIDES.filter((_, i) => inside[i] !== inside[(i + 1) % 4]).map(([down, right]) => point(r + down, c + right));
        for (let i = 0; i < crossed.length; i += 2) line(context, crossed[i], crossed[i + 1]);
      }
    context.strokeStyle = color("field");
    context.lineWidth = contour;
    context.stroke();
  }
}

function line(context, [x, y], [toX, toY]) {
  context.moveTo(x, y);
  context.lineTo(toX, toY);
}

// A click chooses the entry that is nearest; a drag draws the box of an object.
function listen(app, part) {
  let from = null;
  const pixel = (event) => {
    const frame = part.stage.getBoundingClientRect();
    const x = part.columns[0] + (event.clientX - frame.left) / part.scale;
    return [part.rows[0] + (event.clientY - frame.top) / (part.scale * part.tall), x];
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
    if (!from) return;
    const to = pixel(event);
    const dragged = moved(to);
    from = null;
    if (dragged) return;
    const cut = scene(app).cut;
    const wanted = app.doc.axes.map((_, a) => (part.plane.axes.includes(a) ? to[part.plane.axes.indexOf(a)] : cut[a]));
    const entry = nearestEntry(app.doc, app.view(), app.state.layer, wanted);
    if (entry) app.set({ entry });
  });
}
