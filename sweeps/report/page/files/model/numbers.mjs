// Numbers in words, scales, and shares of a histogram.

export function text(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value === "boolean") return value ? "yes" : "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

// One number where all axes are alike, else one per axis.
export function perAxis(values, digits = 3) {
  if (!values) return "–";
  const shown = values.map((v) => text(v, digits));
  return new Set(shown).size === 1 ? shown[0] : shown.join("×");
}

export function short(value) {
  if (value === null) return "–";
  const [unit, letter] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([u]) => Math.abs(value) >= u) ?? [1, ""];
  return text(value / unit) + letter;
}

export function percent(share) {
  const value = 100 * share;
  return `${value >= 9.95 ? Math.round(value) : value === 0 ? 0 : Number(value.toFixed(1))} %`;
}

// The mean of axes on a log scale; null where one is missing.
export function side(values) {
  if (!values || values.some((v) => v === null || v <= 0)) return null;
  return Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
}

export function logScale(low, high, start, end) {
  const span = Math.log(high / low) || 1;
  return (value) => start + ((end - start) * Math.log(value / low)) / span;
}

export function powersOfTwo(low, high) {
  const found = [];
  for (let p = Math.ceil(Math.log2(low)); 2 ** p <= high; p++) found.push(2 ** p);
  return found;
}

// The share of the objects below a size, even within a bin on the log axis: as rf.match counts them.
export function shareBelow(edges, counts, limit) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (!total) return NaN;
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    if (edges[i + 1] <= limit) below += counts[i];
    else {
      if (edges[i] < limit) below += (counts[i] * Math.log(limit / edges[i])) / Math.log(edges[i + 1] / edges[i]);
      break;
    }
  }
  return below / total;
}

// Values of runs (value, times, …), in order.
export function unrolled(runs) {
  const values = [];
  for (let i = 0; i < runs.length; i += 2) for (let n = 0; n < runs[i + 1]; n++) values.push(runs[i]);
  return values;
}
