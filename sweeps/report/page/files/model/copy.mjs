// A table of texts as CSV, Markdown or LaTeX.

const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "×": "$\\times$", "–": "--" };

export function csv(header, rows) {
  const cell = (value) => {
    const guarded = /^[=+@\t\r]|^-(?!\d)/.test(value) ? `'${value}` : value; // no formula for a spreadsheet
    return /[",\n\r]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
  };
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

export function markdown(header, rows) {
  const cell = (value) => value.replace(/[\\|`*_<>[\]]/g, "\\$&").replace(/\s+/g, " ");
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => (i ? "---:" : "---"));
  return [line(header.map(cell)), line(rule), ...rows.map((row) => line(row.map(cell))), ""].join("\n");
}

export function latex(header, rows) {
  const cell = (value) => value.replace(/[&%$#_{}\\~^×–]/g, (c) => LATEX[c] ?? `\\${c}`);
  const line = (cells) => `${cells.map(cell).join(" & ")} \\\\`;
  const columns = `l${"r".repeat(header.length - 1)}`;
  const body = ["\\hline", line(header), "\\hline", ...rows.map(line), "\\hline"];
  return [`\\begin{tabular}{${columns}}`, ...body, "\\end{tabular}", ""].join("\n");
}
