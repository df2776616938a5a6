// The layers as a tree of modules by their dotted names, what of it is unfolded, and the edges between what is shown.

// A node: {name, label, layer, children, depth}; `layer` of a module is the one that it returns.
export function buildTree(doc) {
  const root = { name: "", label: doc.name, children: [], depth: 0 };
  const modules = new Map([["", root]]);
  const parent = (parts) => {
    for (let n = parts.length; n > 0; n--) {
      const name = parts.slice(0, n).join(".");
      if (Object.hasOwn(doc.modules, name)) return modules.get(name) ?? add(name, parts.slice(0, n));
    }
    return root;
  };
  const add = (name, parts) => {
    const above = parent(parts.slice(0, -1));
    const label = above.name ? name.slice(above.name.length + 1) : name;
    const node = { name, label, layer: doc.modules[name], children: [], depth: above.depth + 1 };
    modules.set(name, node);
    above.children.push(node);
    return node;
  };
  doc.layers.forEach((layer, i) => {
    const parts = layer.name.split(".");
    const own = Object.hasOwn(doc.modules, layer.name);
    const above = parent(own ? parts : parts.slice(0, -1));
    const label = own ? "(output)" : above.name ? layer.name.slice(above.name.length + 1) : layer.name;
    above.children.push({ name: layer.name, label, layer: i, children: [], depth: above.depth + 1, isLayer: true });
  });
  for (const node of modules.values()) node.children.sort((a, b) => a.layer - b.layer);
  return root;
}

// The rows to show: every node whose modules are all open. `header`: an open module, whose layers follow.
export function visibleRows(root, open) {
  const rows = [];
  const walk = (node) => {
    for (const child of node.children) {
      const header = child.children.length > 0 && open.has(child.name);
      rows.push({ node: child, header });
      if (header) walk(child);
    }
  };
  walk(root);
  return rows;
}

export const layersOf = (node) => node.children.length ? node.children.flatMap(layersOf) : [node.layer];

// Modules to unfold at first: the outer ones, as long as no more than so many rows come of it.
export function firstOpen(root, most) {
  let open = new Set();
  for (;;) {
    const more = visibleRows(root, open).filter((row) => row.node.children.length && !row.header);
    const wider = new Set([...open, ...more.map((row) => row.node.name)]);
    if (!more.length || visibleRows(root, wider).length > most) return open;
    open = wider;
  }
}

// Pairs [row, row] of what is shown that reads each other; -1 is the image. Of a folded module, what it reads from outside.
export function edges(doc, rows) {
  const row = new Array(doc.layers.length).fill(-1);
  rows.forEach(({ node, header }, i) => {
    if (!header) for (const layer of layersOf(node)) row[layer] = i;
  });
  const seen = new Set();
  const found = [];
  doc.layers.forEach((layer, i) => {
    for (const source of layer.inputs) {
      const pair = [source < 0 ? -1 : row[source], row[i]];
      const key = pair.join();
      if (pair[0] === pair[1] || seen.has(key)) continue;
      seen.add(key);
      found.push(pair);
    }
  });
  return found;
}

// A lane for every edge that passes rows by: the first that is free over its rows.
export function lanes(pairs) {
  const taken = [];
  const sorted = [...pairs].sort((a, b) => Math.abs(a[1] - a[0]) - Math.abs(b[1] - b[0]));
  return new Map(
    sorted.map((pair) => {
      const [low, high] = [Math.min(...pair), Math.max(...pair)];
      if (high - low <= 1) return [pair, 0];
      let lane = taken.findIndex((spans) => spans.every(([a, b]) => b <= low || a >= high));
      if (lane < 0) lane = taken.push([]) - 1;
      taken[lane].push([low, high]);
      return [pair, lane + 1];
    }),
  );
}

// How far each row is from the image, along the longest path; rows stand in order, but for modules that others lie between.
export function ranks(rowCount, pairs) {
  const rank = new Array(rowCount).fill(1);
  for (const [a, b] of [...pairs].sort((p, q) => p[1] - q[1])) if (a >= 0 && a < b) rank[b] = Math.max(rank[b], rank[a] + 1);
  return rank;
}
