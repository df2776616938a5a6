// What the page shows, as the part of its address after #: a link opens the page as it was.

// Layers and modules stand there by name, so that a link outlives a small change of the network.
export function toHash(doc, state, first) {
  const written = (value, key) => (key === "open" ? JSON.stringify([...value].sort()) : String(value));
  const named = (value, key) => (key === "layer" || key === "pin" ? doc.layers[value]?.name ?? "" : written(value, key));
  const changed = Object.entries(state).filter(([key, value]) => written(value, key) !== written(first[key], key));
  return new URLSearchParams(changed.map(([key, value]) => [key, named(value, key)])).toString();
}

export function fromHash(doc, hash, first) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const modules = Object.keys(doc.modules);
  const [layer, state] = [new Map(doc.layers.map((l, i) => [l.name, i])), { ...first }];
  for (const [key, value] of parts) {
    if (!(key in first)) continue;
    if (key === "layer" || key === "pin") state[key] = layer.get(value) ?? (key === "pin" ? -1 : first.layer);
    else if (key === "open") state.open = new Set(modules.filter((name) => value.includes(JSON.stringify(name))));
    else if (Array.isArray(first[key])) {
      const numbers = value.split(",").map((v) => (v === "" ? null : Number(v)));
      if (value && numbers.every((v) => v === null || Number.isFinite(v))) state[key] = numbers;
    } else if (typeof first[key] === "number") state[key] = Number.isFinite(Number(value)) ? Number(value) : first[key];
    else if (typeof first[key] === "boolean") state[key] = value === "true";
    else state[key] = value;
  }
  return state;
}
