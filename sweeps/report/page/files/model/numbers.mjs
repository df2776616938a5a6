// Numbers in words, scales, and shares of a histogram.

export function text(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value === "boolean") return value ? "yes" : "";
  return typeof value !== "number" || Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
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

// Neither nothing nor all is written of a share that only comes near to it.
export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.05) return "under 0.1 %";
  if (value > 99.5 && value < 100) return value > 99.95 ? "over 99.9 %" : `${value.toFixed(1)} %`;
  return `${value >= 9.95 ? Math.round(value) : Number(value.toFixed(1))} %`;
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
  const first = Math.ceil(Math.log2(low));
  return Array.from({ length: Math.max(0, Math.floor(Math.log2(high)) - first + 1) }, (_, i) => 2 ** (first + i));
}

// The share of the objects below a size, even within a bin on the log axis: as rf.match counts them.
export function shareBelow(edges, counts, limit) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (!total) return NaN;
  const part = (low, high) => (high <= limit ? 1 : low < limit ? Math.log(limit / low) / Math.log(high / low) : 0);
  return counts.reduce((below, n, i) => below + n * part(edges[i], edges[i + 1]), 0) / total;
}

// Values of runs (value, times, …), in order.
export function unrolled(runs) {
  return runs.flatMap((value, i) => (i % 2 ? [] : new Array(runs[i + 1]).fill(value)));
}
