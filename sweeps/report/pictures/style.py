"""The style of all pictures: colours, marks, figures, names from files, and how they are saved.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; where several lines meet, their kinds
differ as well. A title says what the picture shows. matplotlib is imported in the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, cast
from warnings import catch_warnings, filterwarnings

from rfscale.engine.errors import visible
from rfscale.engine.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Place = Axes | Callable[..., Figure] | None  # axes of the user's, or what makes a figure; None: matplotlib's Figure

BLUE, SKY, ORANGE, RED = "#0072B2", "#56B4E9", "#E69F00", "#D55E00"
GREEN, PURPLE, INK, GREY = "#009E73", "#CC79A7", "#222222", "#8A8A8A"
PAPER = "#F4F4F0"

LINES = ("-", "--", ":", "-.")  # kinds of line, for what a colour alone would not tell apart
FORMULAS: dict[str, dict[str, Any]] = {  # how each formula is drawn, in every picture that compares several
    "published": {"color": RED, "ls": "-", "marker": "o"},
    "closed_form": {"color": INK, "ls": "--", "marker": "x"},
    "interval": {"color": SKY, "ls": "-.", "marker": "s"},
    "path_variance": {"color": BLUE, "ls": ":", "marker": "^"},
}
HOLLOW: dict[str, Any] = {"marker": "o", "ms": 6.5, "mfc": "none", "mew": 1.3, "ls": ""}  # the published formula
CROSS: dict[str, Any] = {"marker": "x", "ms": 4.5, "mew": 1.3, "ls": ""}  # the closed form
STAR: dict[str, Any] = {"marker": "*", "ms": 13, "mec": INK, "mew": 0.8, "ls": "", "color": ORANGE, "zorder": 6}
PATHS = "paths, share of the busiest pixel"
BOLD_LETTER = 0.55  # width of a letter of a title in its height, or less: layouts widen axes
TICKS = 26  # layer names that fit on an axis
TICK_LETTERS = 30  # of a layer name that fit under an axis

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "svg.hashsalt": "rfscale",  # the same picture is the same file
    "svg.fonttype": "none",
}


@contextmanager
def figure(
    width: float, height: float, rows: int = 1, columns: int = 1, *, place: Place = None, **grid: Any
) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure of the house style, in inches, and its axes as an array of rows × columns.

    `place` is what makes the figure, such as ``pyplot.figure``. Where it is axes, these are all that there is: a
    picture of several draws the first alone.
    """
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        if isinstance(place, Axes):
            yield cast("Figure", place.figure), np.array([[place]])
            return
        fig = (place or Figure)(figsize=(width, height), layout="constrained", facecolor="white")
        yield fig, fig.subplots(rows, columns, squeeze=False, **grid)


def title(ax: Axes, *lines: str, size: float = 11.0) -> None:
    """Write lines above axes, each broken so that it ends where the axes do; ``ax.set_title`` replaces them."""
    inches = ax.bbox.width / ax.figure.dpi
    letters = max(24, int(inches * 72 / size / BOLD_LETTER))
    ax.set_title(
        "\n".join(fill(line, letters, break_on_hyphens=False) for line in lines if line), fontsize=size, loc="center"
    )


def label(text: object, most: int = 60) -> str:
    """Return a name from a file as a picture shows it: without escapes and formulas, cut in the middle where long."""
    shown = visible(str(text))
    if len(shown) > most:
        shown = f"{shown[: most // 2]}…{shown[-most // 2 + 1 :]}"
    return shown.replace("$", r"\$")


def save(fig: Figure, path: Path) -> None:
    """Write a figure, whole or not at all."""
    from matplotlib import rc_context

    undated: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    metadata = undated.get(path.suffix, {"Software": "rfscale"})
    with rc_context(_STYLE), replacing(path) as temporary, catch_warnings():
        filterwarnings("ignore", message="Glyph")  # of a name in a script that the font lacks: it is drawn as a box
        fig.savefig(temporary, metadata=metadata)


def box(ax: Axes, low: Any, high: Any, color: str, **style: Any) -> None:
    """Draw a rectangle around the pixels low … high−1, two numbers each: (y, x)."""
    from matplotlib.patches import Rectangle

    style = {"fill": False, "lw": 1.6, **style}
    ax.add_patch(Rectangle((low[1] - 0.5, low[0] - 0.5), high[1] - low[1], high[0] - low[0], edgecolor=color, **style))
