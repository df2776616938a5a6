// The tree of modules of a document: what of it is unfolded, and the edges between what is shown.

// The rows to show: every node whose modules are all open. `header`: an open module, whose layers follow.
export function visibleRows(nodes, open) {
  return nodes.flatMap((node) => {
    const header = node.children.length > 0 && open.has(node.name);
    return [{ node, header }, ...(header ? visibleRows(node.children, open) : [])];
  });
}

export const layersOf = (node) => node.children.length ? node.children.flatMap(layersOf) : [node.layer];

// Pairs [row, row] of what is shown that reads each other; -1 is the image. Of a folded module, what it reads from outside.
export function edges(doc, rows) {
  const row = new Array(doc.layers.length).fill(-1);
  rows.forEach(({ node, header }, i) => !header && layersOf(node).forEach((layer) => (row[layer] = i)));
  const pairs = doc.layers.flatMap((layer, i) => layer.inputs.map((source) => [source < 0 ? -1 : row[source], row[i]]));
  return [...new Map(pairs.filter(([a, b]) => a !== b).map((pair) => [pair.join(), pair])).values()];
}

// A lane for every edge that passes rows by: the first that is free over its rows.
export function lanes(pairs) {
  const [taken, sorted] = [[], [...pairs].sort((a, b) => Math.abs(a[1] - a[0]) - Math.abs(b[1] - b[0]))];
  return new Map(sorted.map((pair) => {
    const [low, high] = [Math.min(...pair), Math.max(...pair)];
    if (high - low <= 1) return [pair, 0];
    let lane = taken.findIndex((spans) => spans.every(([a, b]) => b <= low || a >= high));
    if (lane < 0) lane = taken.push([]) - 1;
    taken[lane].push([low, high]);
    return [pair, lane + 1];
  }));
}

// How far each row is from the image, along the longest path; rows stand in order, but for modules that others lie between.
export function ranks(rowCount, pairs) {
  const rank = new Array(rowCount).fill(1);
  for (const [a, b] of [...pairs].sort((p, q) => p[1] - q[1])) if (a >= 0 && a < b) rank[b] = Math.max(rank[b], rank[a] + 1);
  return rank;
}
