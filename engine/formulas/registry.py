"""The analytic formulas, as one registry: equation, source, domain and a function over numbers, numpy or xarray.

`FORMULAS["published"]` holds the article's formulas exactly as it prints them, wrong ones included: they are what the
exact engine judges. S is the area of a square footprint in pixels, P the share of it that the next entry's has as well.
They take numbers, numpy arrays, xarray objects, and `fractions.Fraction`, with exact results.

`FORMULAS["closed_form"]` is ours, per axis, for any kernel, stride and dilation. `FORMULAS["interval"]` is the
arithmetic of bounding boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

ARTICLE = (
    "M. R. Sanatkar, 'Analysis and Applications of Multi-Scale CNN Feature Maps', blog article; "
    "github.com/rezasanatkar/cnn_spatial_scale"
)
OURS = "derived in docs/theory.md"
START = (1.0, 0.0)  # a pixel: its footprint is itself, and shares nothing with the next one

Value = Any  # a number or fraction, a numpy array or an xarray object
Pair = tuple[Value, Value]


@dataclass(frozen=True)
class Formula:
    """One formula. Call it with its arguments; see `equation` for what they are."""

    name: str
    layer: str
    equation: str
    domain: str
    source: str
    function: Callable[..., tuple[Value, ...]] = field(repr=False)

    def __call__(self, *args: Value, **kwargs: Value) -> tuple[Value, ...]:
        with np.errstate(divide="ignore", invalid="ignore"):  # 9 - 24 (P - 1/2) is 0 at P = 7/8
            return self.function(*args, **kwargs)


@dataclass(frozen=True, repr=False)
class Family(Mapping[str, Formula]):
    """Formulas of one kind by name."""

    name: str
    formulas: dict[str, Formula] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Formula:
        return self.formulas[name]

    def __iter__(self) -> Any:
        return iter(self.formulas)

    def __len__(self) -> int:
        return len(self.formulas)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Formulas {self.name}: {', '.join(self.formulas)}>"

    def _repr_html_(self) -> str:
        from rfscale.engine.display.formulas import formulas_html

        return formulas_html(self.name, self.formulas)


def _is_array(value: Value) -> bool:
    return hasattr(value, "__array_ufunc__")


def _max(a: Value, b: Value) -> Value:
    return np.maximum(a, b) if _is_array(a) or _is_array(b) else max(a, b)


def _min(a: Value, b: Value) -> Value:
    return np.minimum(a, b) if _is_array(a) or _is_array(b) else min(a, b)


def _ratio(a: Value, b: Value) -> Value:
    """a/b where 0 divides without an exception, as numpy has it."""
    return np.float64(a) / float(b) if not _is_array(b) and b == 0 else a / b


def _over_half(P: Value) -> Value:
    """max(P - 1/2, 0), without a float where P is a fraction."""
    return _max((2 * P - 1) / 2, 0 * P)


# the article's formulas ---------------------------------------------------------------------------------------------


def pool2(S: Value, P: Value) -> Pair:
    """2×2 window, stride 2."""
    return (2 - P) ** 2 * S, P / (2 - P)


def conv3(S: Value, P: Value) -> Pair:
    """3×3 window, stride 1."""
    q = 1 - P
    return S + 4 * q * S + 4 * q**2 * S, (1 + q * (5 - 2 * P)) / (1 + 4 * q * (2 - P))


def conv3_s2(S: Value, P: Value) -> Pair:
    """3×3 window, stride 2."""
    q = 1 - P
    return S + 4 * q * S + 4 * q**2 * S, (1 + 2 * q) / (1 + 4 * q * (2 - P))


def conv7_s2_first(S: Value, P: Value) -> Pair:
    """7×7 window, stride 2, on the image itself."""
    return 49 + 0 * S, (5 + 0 * P) / 7


def conv1(S: Value, P: Value) -> Pair:
    """1×1 window, stride 1."""
    return S, P


def conv1_s2(S: Value, P: Value) -> Pair:
    """1×1 window, stride 2."""
    return S, 2 * _over_half(P)


def dilated3(S: Value, P: Value) -> Pair:
    """3×3 window, dilation 2, stride 1."""
    over = _over_half(P)
    q = 1 - P
    low, high = 15 * P, 6 + 3 * q - (14 + 4 * q) * over
    below = P < 0.5  # at 1/2 the two are equal
    return 9 * S - 24 * over * S, _ratio(low * below + high * (1 - below), 9 - 24 * over)


def conv3_pool2(S: Value, P: Value) -> Pair:
    """3×3 window, stride 1, and a 2×2 window, stride 2, as one layer."""
    return pool2(*conv3(S, P))


# closed form, per axis ----------------------------------------------------------------------------------------------


def advance(pixels: Value, new: Value, kernel: int, stride: int = 1, dilation: int = 1) -> Pair:
    """One window on one axis, in pixel counts: `pixels` of the set, `new` those that the next entry's set has not.

    Exact in whole numbers where every residue class of the set modulo the jump is one run, all of nearly one length,
    as in every undilated chain. ``new = pixels*(1 - P)``.
    """
    step = dilation * new
    wider = pixels + (kernel - 1) * _min(pixels, step)
    closed = _min(wider, stride * new)
    apart = step > pixels
    if apart is False:
        return wider, closed
    # taps further apart than the set is long: copies of it, and each overlaps with those of the next entry by itself
    shared = 0 * pixels
    for i in range(1 - kernel, kernel):
        shared = shared + (kernel - abs(i)) * _max(pixels - abs(stride - i * dilation) * new, 0 * pixels)
    return wider, closed * (1 - apart) + (wider - shared) * apart


def leaves_gaps(pixels: Value, new: Value, kernel: int, stride: int, dilation: int) -> Value:
    """Whether the closed form's domain ends after a window: further windows have no exact formula in (S, P).

    Its taps are further apart than the set is long, so that the output's set has gaps. Where the stride keeps to every
    d-th entry, gaps fall on gaps, and every residue class is a single run again.
    """
    return (dilation * new > pixels) & (kernel > 1 and stride % dilation > 0)


def closed_form(pixels: Value, overlap: Value, kernel: int, stride: int = 1, dilation: int = 1) -> Pair:
    """One window on one axis: pixels w and overlap P of the input to those of the output."""
    wider, new = advance(pixels, pixels * (1 - overlap), kernel, stride, dilation)
    return wider, _max(1 - new / wider, 0.0)


def box_overlap(extent: Value, jump: Value) -> Value:
    """Overlap of two neighbouring bounding boxes on one axis, as a share; that of the footprints if they are solid."""
    return _max(1 - jump / extent, 0.0)


def interval(
    extent: Value, jump: Value, start: Value, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0
) -> tuple[Value, Value, Value]:
    """Bounding box of one window layer on one axis: extent, jump and start of the output."""
    return extent + dilation * (kernel - 1) * jump, jump * stride, start - padding * jump


def _published(
    name: str, area: str, overlap: str, function: Callable[..., Pair], domain: str, source: str = ARTICLE
) -> Formula:
    layer = (function.__doc__ or "").rstrip(".")
    return Formula(f"published.{name}", layer, f"S' = {area}; P' = {overlap}", domain, source, function)


_UNDILATED = "exact for area and overlap on interior single-path square chains without dilated layers before it"
_SCALE3 = "S + 4(1-P)S + 4(1-P)^2 S"


PUBLISHED = Family(
    "published",
    {
        "pool2": _published("pool2", "(2-P)^2 S", "P/(2-P)", pool2, _UNDILATED),
        "conv3": _published("conv3", _SCALE3, "(1 + (1-P)(5-2P))/(1 + 4(1-P)(2-P))", conv3, _UNDILATED),
        "conv3_s2": _published("conv3_s2", _SCALE3, "(1 + 2(1-P))/(1 + 4(1-P)(2-P))", conv3_s2, _UNDILATED),
        "conv7_s2_first": _published("conv7_s2_first", "49", "5/7", conv7_s2_first, "exact as the first layer"),
        "conv1": _published("conv1", "S", "P", conv1, "exact"),
        "conv1_s2": _published("conv1_s2", "S", "2 max(P-1/2, 0)", conv1_s2, _UNDILATED),
        "dilated3": _published(
            "dilated3",
            "9S - 24 max(P-1/2, 0) S",
            "15P/(9 - 24 max(P-1/2, 0)) for P < 1/2, else "
            "(6 + 3(1-P) - (14 + 4(1-P)) max(P-1/2, 0))/(9 - 24 max(P-1/2, 0))",
            dilated3,
            "exact for P <= 1/2 on a footprint without holes; negative for P > 7/8",
        ),
        "conv3_pool2": _published(
            "conv3_pool2",
            "(2-P_3)^2 S_3, with S_3, P_3 of the 3×3 window",
            "P_3/(2-P_3)",
            conv3_pool2,
            _UNDILATED,
            f"two formulas in a row of {ARTICLE}",
        ),
    },
)


# which of them is for a window of taps, stride, dilation; conv7_s2_first is for the first layer only
PUBLISHED_BY_WINDOW = {
    (1, 1, 1): "conv1",
    (1, 2, 1): "conv1_s2",
    (2, 2, 1): "pool2",
    (3, 1, 1): "conv3",
    (3, 2, 1): "conv3_s2",
    (3, 1, 2): "dilated3",
}


FIRST_WINDOW = (7, 2, 1)  # its formula, conv7_s2_first, is for the image alone: S = 1, P = 0


def published_name(window: tuple[int, int, int] | None) -> str:
    """Return the name of the article's formula for a window of taps, stride, dilation; "" if it has none."""
    return "conv7_s2_first" if window == FIRST_WINDOW else PUBLISHED_BY_WINDOW.get(window or (0, 0, 0), "")


def published_after(window: tuple[int, int, int] | None, S: Value, P: Value) -> Pair:
    """Return the article's S and P after a window on both axes; nan where it has no formula."""
    name = published_name(window)
    if not name:
        return nan * S, nan * P
    area, overlap = PUBLISHED[name](S, P)
    if window != FIRST_WINDOW:
        return area, overlap
    image = (START[0] == S) & (START[1] == P)
    return np.where(image, area, nan), np.where(image, overlap, nan)


def published_is_exact(window: tuple[int, int, int] | None, P: Value, regular: bool) -> bool:
    """Whether the article's formula is exact after a window on both axes, where S and P before it are.

    `regular` is whether no layer before it left gaps (`leaves_gaps`). The 1×1 of stride 1 is exact on anything; the
    dilated 3×3 where P <= 1/2; the 7×7 where `published_after` has a value, on the image.
    """
    name = published_name(window)
    return name == "conv1" or (name != "" and regular and not (name == "dilated3" and P > 0.5))


CLOSED_FORM = Family(
    "closed_form",
    {
        "window": Formula(
            "closed_form.window",
            "window of k taps, stride s, dilation d, on one axis",
            "w' = w(1 + (k-1) min(1, d(1-P))); "
            "P' = max(0, 1 - s(1-P)w/w') for d(1-P) <= 1, else "
            "P' = sum over |i| < k of (k-|i|) max(0, 1 - |s - i d|(1-P)) / k",
            "exact while no layer before it had d(1-P) > 1. After such a layer no formula in (S, P) can be: {0,2,4} "
            "at jump 1 and {0,1,2} at jump 3 both have S = 9, P = 0, and a 3×3 layer makes 49 of one, 81 of the other",
            OURS,
            closed_form,
        )
    },
)


INTERVAL = Family(
    "interval",
    {
        "window": Formula(
            "interval.window",
            "window of k taps, stride s, dilation d, padding p, on one axis",
            "extent' = extent + d(k-1) jump; jump' = s jump; start' = start - p jump",
            "exact for the bounding box of interior footprints of chains of windows; other layers and merges: "
            "engine/footprints/intervals.py",
            "Araujo, Norris, Sim, 'Computing Receptive Fields of Convolutional Neural Networks', Distill 2019",
            interval,
        )
    },
)


FORMULAS: dict[str, Family] = {f.name: f for f in (PUBLISHED, CLOSED_FORM, INTERVAL)}
