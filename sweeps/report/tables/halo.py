"""What `rfscale halo` prints: margins, what tiles cost, and the comparison of tiled and whole."""

from __future__ import annotations

from math import isinf, isnan
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import PX, Column, Table, box, folded, number, rounded

if TYPE_CHECKING:
    import xarray as xr

CSV_NOTE = "the table of margins alone; what tiles cost goes to .json, .nc and .zarr"
NAMED = 4  # layers in the title
ROUNDING = 1e-9  # of the largest value: what rounding of float64 leaves of it in a deep network, with room


def halo_report(found: xr.Dataset, costs: xr.Dataset) -> list[Any]:
    """Return the table of margins, and what one tile or several cost."""
    layers = found.attrs["layers"]
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    title = f"{found.attrs['network']}: pixels beyond a tile that {', '.join(layers[:NAMED])}{more} depend on"
    sides = {"before": found.reach[:, 0], "after": found.reach[:, 1], "margin before": found.margin[:, 0],
             "margin after": found.margin[:, 1], "period": found.period}  # fmt: skip
    figures = [Column(n, [number(v) for v in values.values.tolist()], unit=PX) for n, values in sides.items()]
    valid = Column("valid sizes", [str(v) for v in found.valid.values], "left", unit=PX)
    padded = [Column("pad to", [number(v) for v in found.pad_to.values.tolist()], unit=PX)] if "pad_to" in found else []
    table = folded([Column("axis", found.axis.values.tolist(), "left"), *figures, valid, *padded])
    lines: list[Any] = ["a margin is a reach rounded up to the period, so that a crop keeps the phase of every layer"]
    if found.attrs.get("dropped"):
        lines.append(f"left out, for their receptive field is global: {', '.join(found.attrs['dropped'])}")
    if "pad_to" in found:
        image = box(costs.attrs["image_size"])
        lines.append(f"images of {image}: pad them to {box(found.pad_to.values)}, valid along every axis")
    return [title, table, *lines, *(_one_tile(found, costs) if "tile" in found else _several(costs))]


def _one_tile(found: xr.Dataset, costs: xr.Dataset) -> list[Any]:
    """What one tile costs, in words."""
    one = costs.isel(option=0)
    tile, crop, useful = box(found.tile.values), box(one.crop.values), box(found.useful.values)
    count = f" ({number(int(one.tiles))} for an image)" if "tiles" in one else ""
    lines = [
        f"tiles of {tile}{count}: run the network on {crop}, {rounded(float(one.waste), 3)} pixels computed for each "
        f"of use; {_memory_text(one, costs)}"
    ]
    as_crop = float(found.waste_as_crop)
    cost = f"{rounded(as_crop, 3)} pixels for each of use" if as_crop < float("inf") else "nothing of it is of use"
    return [*lines, f"with {tile} as the size that the network is run on, tiles of {useful}: {cost}"]


def _memory_text(one: xr.Dataset, costs: xr.Dataset) -> str:
    memory = float(one.memory)
    if isnan(memory):
        return "memory is not known, for not all layers say their channels"
    return f"maps take {size_text(memory)} at a time as {costs.attrs['dtype']}, and weights and workspace come on top"


def _several(costs: xr.Dataset) -> list[Any]:
    """The table of tiles."""
    memory = [("–" if isnan(v) else size_text(v)) for v in costs.memory.values.tolist()]
    table = folded([
        Column("tile", [box(row) for row in costs.tile.values], unit=PX),
        Column("crop", [box(row) for row in costs.crop.values], unit=PX),
        *([Column("tiles", [number(v) for v in costs.tiles.values.tolist()])] if "tiles" in costs else []),
        Column("waste", [rounded(v, 3) for v in costs.waste.values.tolist()]),
        Column("memory", memory, quiet=("–",)),
    ])  # fmt: skip
    lines = ["waste: pixels computed for each of use; --waste 1.5 chooses the smallest tile that keeps it"]
    if "–" in memory:
        lines.append("memory is not known, for not all layers say their channels")
    else:
        lines.append(
            f"memory: what maps of one image take at a time as {costs.attrs['dtype']}, without weights and workspace; "
            "--memory 8GB chooses the largest tile"
        )
    return [table, *lines]


def size_text(size: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} PB"


def verify_report(tested: xr.Dataset) -> list[Any]:
    """Return the comparison of the model on tiles and on the whole image."""
    attrs = tested.attrs
    shorter = [float(v) for v in tested.shorter_difference.values]
    table: Table = folded([
        Column("output", [str(v) for v in tested.output.values], "left"),
        Column("largest difference", [_scientific(float(v)) for v in tested.difference.values]),
        Column("with one period less", [_scientific(v) for v in shorter], quiet=("–",)),
        Column("largest value", [_scientific(float(v)) for v in tested.largest.values]),
    ])  # fmt: skip
    run, total = number(attrs["tiles"]), number(attrs["tiles_of_image"])
    count = run if run == total else f"{run} of {total}"
    head = f"the model itself, in float64: {count} tiles of {box(attrs['tile'])} against the whole "
    lines = [f"{head}image of {box(attrs['image_size'])}", table, _verdict(tested)]
    if attrs.get("not_compared"):
        lines.append(f"not compared, for they are no maps: {', '.join(attrs['not_compared'])}")
        if max(shorter) == 0:
            lines.append("margins are for all outputs: those compared need less")
    return lines


def _scientific(value: float) -> str:
    if isnan(value) or isinf(value):
        return "–" if isnan(value) else "entries lacking"
    return "0" if value == 0 else f"{value:.2e}".replace("-", "−")


def _verdict(tested: xr.Dataset) -> str:
    worst = float(tested.difference.max())
    if bool((tested.largest == 0).any()):
        return "every value of an output is 0, with which nothing is shown: give a model whose weights make others"
    if worst == 0:
        return "equal to the bit"
    if bool((tested.difference <= ROUNDING * tested.largest).all()):
        return "equal but for the rounding of float64: sums of another order"
    return "NOT equal: the model does something that its network does not say; please report it"


def stored_parts(found: xr.Dataset, costs: xr.Dataset, tested: xr.Dataset | None) -> xr.Dataset:
    """Return the margins, the costs of tiles and the comparison as one dataset; those of one tile as scalars.

    What crops that end at the borders of an image cost stands beside what others cost, under names of its own.
    """
    if "tile" in found:
        costs = costs.isel(option=0).drop_vars("tile")
        costs = costs.rename({name: f"{name}_in_image" for name in ("crop", "waste")})
        for name in ("crop_in_image", "waste_in_image"):
            costs[name].attrs["long_name"] += ", where crops end at the borders of the image"
    data = found.assign(costs.data_vars)
    data.attrs |= {k: v for k, v in costs.attrs.items() if k in ("dtype", "image_size")}
    if tested is not None:
        data = data.assign(tested.data_vars)
        data.attrs |= {
            f"verify_{k}": tested.attrs[k] for k in ("image_size", "tile", "tiles", "tiles_of_image", "seed")
        }
    return data
