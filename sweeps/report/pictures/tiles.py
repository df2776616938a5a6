"""Pictures of tiles: a tile with the margins that its crop needs, and what tiles of several sizes cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.sweeps.report.pictures.style import BLUE, GREEN, GREY, INK, ORANGE, box, figure, label, title
from rfscale.sweeps.report.terminal import box as size_text
from rfscale.sweeps.report.terminal import rounded

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

BARE = 2  # a tile that is not given is drawn as so many times the widest margin


def halo_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.halo`: a tile, the reach of its outputs, and the crop with its margins.

    Of three axes the last two are drawn; of one axis the tile is a strip.
    """
    drawn = found.isel(axis=slice(-2, None))
    margin, reach = drawn.margin.values, drawn.reach.values
    if "tile" in found:
        tile = drawn.tile.values
    else:
        period = drawn.period.values
        tile = period * np.maximum(1, -(-BARE * margin.max() // period))
    text = size_text(tile) if "tile" in found else "tile"
    with figure(8.2, 5.6 if len(tile) == 2 else 2.4, place=place) as (fig, axes):
        ax = axes[0, 0]
        if len(tile) == 1:  # a strip: as high as a fifth of the crop, and no margins above and below
            high = -(-int(margin.sum() + tile[0]) // 5)
            tile = np.array([high, tile[0]])
            margin, reach = (np.vstack([[0, 0], m]) for m in (margin, reach))
            ax.set_yticks([])
        box(ax, -margin[:, 0], tile + margin[:, 1], ORANGE, lw=2, ls="--", label="crop: tile and margins")
        box(ax, -reach[:, 0], tile + reach[:, 1], GREEN, lw=1.6, ls=":", label="reach: what outputs read")
        box(ax, (0, 0), tile, BLUE, fill=True, facecolor=BLUE, alpha=0.85, lw=0, label="tile")
        _measures(ax, tile, margin, text)
        _framed(ax, tile, np.maximum(margin, reach), [str(a) for a in drawn.axis.values])
        title(ax, _needed(found), size=10)
    return fig


def _needed(found: xr.Dataset) -> str:
    """What the tiles of a network need, along every axis."""
    sides = [f"{a}+{b}" if a != b else str(a) for a, b in found.margin.values.tolist()]
    margins = sides[0] if len(set(sides)) == 1 else "×".join(sides)
    what = f"{label(found.attrs['network'], 40)}: tiles need a margin of {margins} pixels on each side"
    if "waste" in found:
        tile = size_text(found.tile.values)
        what += f", {rounded(float(found.waste), 3)} pixels computed for each of a tile of {tile}"
    return what


def _measures(ax: Axes, tile: np.ndarray, margin: np.ndarray, text: str) -> None:
    """Write the lengths into the picture."""
    inside: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9}
    middle = (tile - 1) / 2
    ax.text(middle[1], middle[0], text, color="white", **inside)
    before, after = margin[1].tolist()
    for place, pixels in ((-before / 2 - 0.5, before), (tile[1] + after / 2 - 0.5, after)):
        if pixels:
            ax.text(place, middle[0], str(pixels), color=INK, **inside)
    before, after = margin[0].tolist()
    for place, pixels in ((-before / 2 - 0.5, before), (tile[0] + after / 2 - 0.5, after)):
        if pixels:
            ax.text(middle[1], place, str(pixels), color=INK, **inside)


def _framed(ax: Axes, tile: np.ndarray, beyond: np.ndarray, names: list[str]) -> None:
    low, high = -beyond[:, 0], tile + beyond[:, 1]
    room = 0.04 * (high - low).max()
    ax.set_xlim(low[1] - room - 0.5, high[1] + room - 0.5)
    ax.set_ylim(high[0] + room - 0.5, low[0] - room - 0.5)
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set_xlabel(f"{names[-1]}, pixels from the tile's first")
    if len(names) == 2:
        ax.set_ylabel(f"{names[0]}, pixels")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def tile_costs_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.tile_costs`: what is computed for each pixel of use, and the memory of the maps."""
    from matplotlib.ticker import FuncFormatter

    side = np.sqrt(found.tile.values.prod(axis=1)) if found.sizes["axis"] == 2 else found.tile.values[:, -1]
    order = np.argsort(side, kind="stable")
    side, waste, memory = side[order], found.waste.values[order], found.memory.values[order]
    known = bool(np.isfinite(memory).any())
    with figure(7.0, 5.6 if known else 4.0, 2 if known else 1, 1, place=place, sharex=True) as (fig, axes):
        top, *below = axes[:, 0]
        top.plot(side, waste, "o-", color=BLUE)
        top.axhline(1, color=GREY, lw=1, ls=":")
        top.set_ylim(bottom=0)
        top.set_ylabel("pixels computed for each of use")
        for bottom in below:
            bottom.plot(side, memory / 1e9, "s--", color=ORANGE)
            bottom.set_ylabel(f"memory of the maps, GB ({found.attrs['dtype']})")
            bottom.set_ylim(bottom=0)
        last = axes[-1, 0]
        last.set_xscale("log", base=2)
        last.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        along = "of a side" if found.sizes["axis"] == 2 else f"along {found.axis.values[-1]}"
        last.set_xlabel(f"tile, pixels {along}")
        tiles = [size_text(found.tile.values[order[i]]) for i in (0, -1)]
        costs = [rounded(float(waste[i]), 3) for i in (0, -1)]
        finding = f"tiles of {tiles[0]} compute {costs[0]} pixels for each of use, tiles of {tiles[1]} {costs[1]}"
        title(top, f"{label(found.attrs['network'], 40)}: {finding}", size=10)
    return fig
