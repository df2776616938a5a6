"""What `rfscale profile` prints: a table of modules or layers, a line per output, and how the formulas do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rfscale.engine.columns import Columns
from rfscale.engine.formulas.profile_summary import FORMULA_AREAS, FormulaValues, formula_values, profile_summary
from rfscale.engine.network.modules import Module, fitting_depth, modules
from rfscale.sweeps.report.terminal import PX, Column, Table, box, folded, number, per_axis

SCREEN = 24  # rows of a table that is folded to fit a screen
NAMED = 4  # layers that a line lists
HEADERS = ("published", "closed")  # of the columns of `FORMULA_AREAS`


def profile_report(profile: Columns, depth: int | None = None, outputs: Sequence[str] = ()) -> list[Any]:
    """Return what `rfscale profile` prints: a title, the table, a line per output, and what holds for all layers.

    Parameters
    ----------
    profile : Columns
        Profile of a network, or of some of its layers.
    depth : int, optional
        The table has one row for all layers whose names share so many parts, with the figures of what that module
        returns; 0 is as many parts as fit a screen. Without it every layer has a row.
    outputs : sequence of str
        Lines of `rfscale.engine.analysis.output_lines.output_lines`.
    """
    rows, fold = folded_rows(profile.coords["layer"], profile.attrs, depth)
    table, legend = _table(profile.take("layer", [m.last for m in rows]), rows)
    parts: list[Any] = [_title(profile), table]
    for lines in (legend, outputs, [*fold, *_summary(profile)]):
        parts += [*([""] if lines and parts[-1] is not table else []), *lines]
    return parts


def folded_rows(layers: Iterable[str], attrs: Mapping[Any, Any], depth: int | None) -> tuple[list[Module], list[str]]:
    """Return the rows of a table over layers, `depth` as in `profile_report`, and the line that says so.

    `attrs` are those of the dataset, which say what the modules return.
    """
    names = [str(n) for n in layers]
    returned = dict(text.rsplit(": ", 1) for text in attrs.get("modules", ()))
    depth = fitting_depth(names, SCREEN, returned) if depth == 0 else depth
    rows = [Module(n, i, 1) for i, n in enumerate(names)] if depth is None else modules(names, depth, returned)
    if len(rows) == len(names):
        return rows, []
    text = f"{len(names)} layers, folded by module to depth {depth}: a row is what its module returns; "
    return rows, [f"{text}--depth all shows every layer"]


def _table(profile: Columns, rows: Sequence[Module]) -> tuple[Table, list[str]]:
    """The rows of a profile, and the legend of their notes."""
    notes, legend = _notes(profile)
    size = (
        [per_axis(row) for row in profile["map_size"]]
        if "map_size" in profile
        else ["–"] * len(profile.coords["layer"])
    )
    boxes = [per_axis(row) for row in profile["extent"]]
    columns = [
        Column("layer", [m.name for m in rows], "left"),
        Column("op", [_op(m, str(op)) for m, op in zip(rows, profile["op"], strict=True)], "left"),
        Column("map", size, quiet=("–",)),
        Column("jump", [per_axis(row) for row in profile["jump"]], unit=PX),
        Column("extent", boxes, unit=PX),
        Column("start", [per_axis(row) for row in profile["start"]], unit=PX),
        *_size_columns(profile, boxes),
        Column("density", [number(v) for v in profile["density"]], quiet=("1",)),
        Column("overlap", [per_axis(row) for row in profile["overlap"]]),
        Column("gap", [per_axis(row) for row in profile["max_gap"]], quiet=("0",), unit=PX),
        Column("terms", [number(v) for v in profile["terms"]], quiet=("0", "1")),
        Column("phases", [number(v) for v in profile["phases"]], quiet=("1",)),
        *(
            Column(h, _formula_cells(formula_values(profile, name)), unit=PX)
            for h, name in zip(HEADERS, FORMULA_AREAS, strict=True)
        ),
        Column("notes", notes, "left", quiet=("",)),
    ]
    return folded(columns), legend


def _op(module: Module, op: str) -> str:
    return op if module.layers == 1 else f"{module.layers} layers"


def _size_columns(profile: Columns, boxes: list[str]) -> list[Column]:
    """Area and width; neither where every footprint is a full square, whose width is its extent."""
    if len(profile.coords["axis"]) != 2:  # a square root of the pixels means nothing
        return [Column("area", [number(v) for v in profile["area"]], unit=PX)]
    width = [number(v, 1) for v in profile["width"]]
    if width == boxes:
        return []
    return [Column("area", [number(v) for v in profile["area"]], unit=PX), Column("width", width, unit=PX)]


def _formula_cells(formula: FormulaValues) -> list[str]:
    """A formula's widths (or pixels): `=` where they are the exact ones."""
    return ["=" if right else _value(v) for v, right in zip(formula.value.tolist(), formula.right, strict=True)]


def _value(value: float) -> str:
    return f"S={number(value, 0)}" if value < 0 else number(value, 1)


def _notes(profile: Columns) -> tuple[list[str], list[str]]:
    """One cell of letters per layer, and the legend of the letters."""
    letters: dict[str, str] = {}
    cells = []
    for aligned, is_global, domain in zip(
        profile["aligned"], profile["is_global"], profile["formula_domain"], strict=True
    ):
        reasons = [] if is_global else [r for r in str(domain).split("; ") if r]
        if not aligned:
            reasons.insert(0, "merges branches of different centres")
        cells.append(" ".join(letters.setdefault(r, f"{chr(97 + len(letters) % 26)}") for r in reasons))
    legend = [f"{letter}  {_reason(text)}" for text, letter in letters.items()]
    return cells, legend


def _reason(text: str) -> str:
    return text.replace("closed_form:", "closed form:")


def _title(profile: Columns) -> str:
    attrs = profile.attrs
    if attrs.get("mode") == "finite":
        entry = attrs["entry"]
        where = "centre" if entry == "center" else ",".join(map(str, entry))
        kind = f"image {box(attrs['input_size'])}, entry {where} of every map"
    else:
        kind = "interior footprints (no borders)"
    return f"{attrs['network']}: {kind}; px: pixels of the image"


def _summary(profile: Columns) -> list[str]:
    """What holds for all layers, those that the table folds included."""
    found, names = profile_summary(profile), profile.coords["layer"]
    holes, finite = found.with_holes, profile.attrs.get("mode") == "finite"
    some = f"{len(holes)} of {len(names)} layers have holes, first {holes[0]}" if holes else ""
    gaps = "holes" if found.fills_boxes else "gaps; those of a density below 1 lack corners"
    lines = [some or f"no footprint has {gaps}"]
    for name, label in zip(FORMULA_AREAS, ("published formula", "closed form"), strict=True):
        lines.append(f"{label}: {_verdict(found.formulas[name], names)}")
    if finite:
        lines.append("the formulas know no borders: near them, or where the image is small, they give too much")
    if found.global_layers:
        shown = "" if finite else " ('all')"
        lines.append(f"{found.global_layers} layers have a global receptive field{shown}")
    if dropped := profile.attrs.get("dropped"):
        more = f" and {len(dropped) - NAMED} more" if len(dropped) > NAMED else ""
        lines.append(f"left out of merges, for their receptive field is global: {', '.join(dropped[:NAMED])}{more}")
    return lines


def _verdict(formula: FormulaValues, layers: Sequence[str]) -> str:
    """How often a formula is right, and where it first goes wrong."""
    known, right = int(formula.known.sum()), int(formula.right.sum())
    if not known:
        return "has no value for these layers"
    text = f"exact for {right} of {len(layers)} layers ('=')"
    if right < known:
        at = int((formula.known & ~formula.right).argmax())
        first, exact = _value(formula.value[at]), number(formula.exact[at], 1)
        text += f", wrong for {known - right}: first at {layers[at]}, {first} for {exact}"
    if known < len(layers):
        text += f", no value for {len(layers) - known}"
    return text
