// What the page shows, as the part of its address after #: a link opens the page as it was.

// Layers and modules stand there by name, so that a link outlives a small change of the network.
export function toHash(doc, state, first) {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    const written = key === "open" ? JSON.stringify([...value].sort()) : String(value);
    if (written === (key === "open" ? JSON.stringify([...first.open].sort()) : String(first[key]))) continue;
    const layer = key === "layer" || key === "pin";
    parts.set(key, layer ? (value < 0 ? "" : doc.layers[value].name) : written);
  }
  return parts.toString();
}

export function fromHash(doc, hash, first) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const modules = Object.keys(doc.modules);
  const layer = new Map(doc.layers.map((l, i) => [l.name, i]));
  const state = { ...first };
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
