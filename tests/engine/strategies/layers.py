"""Single layers of random parameters, added to a draft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.engine.strategies.draft import Draft, Size


def window(d: Draft, source: str) -> str:
    """A convolution or pooling of any kernel, stride, dilation and padding."""

    def draw() -> str:
        op = d.rng.choice(["conv", "conv", "max_pool", "avg_pool", "lp_pool"])
        kernel, dilation = d.kernel(), d.dilation()
        stride = d.per_axis(lambda: d.rng.choice([1, 1, 2, 3] if d.ndim < 3 else [1, 1, 2]))
        reach = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        padding: Any = d.split([r - r % 2 for r in reach], even=1)
        style = d.rng.randint(0, 5)
        if style == 1:
            padding = (0,) * (2 * d.ndim)
        elif style == 2:
            padding = "same"
        elif style == 3:
            padding = "same_lower"
        elif style == 4:
            padding = d.split([d.rng.randint(0, 2 * r + 1) for r in reach])
        more: dict[str, Any] = {"ceil_mode": d.chance(0.5)} if op != "conv" else {}
        if d.chance(0.25):
            more["block"] = tuple(
                d.rng.choice([0, *(b for b in range(2, n + 1) if n % b == 0)]) for n in d.sizes[source]
            )
        return d.add(op, source, kernel=kernel, stride=stride, dilation=dilation, padding=padding, **more)

    return d.attempt(draw, lambda: d.add("pointwise", source))


def one_way(d: Draft, source: str) -> str:
    """A layer that reads all before an entry, or after it."""
    before, after = (d.per_axis(lambda: d.rng.randint(0, 1)) for _ in range(2))
    if not any((*before, *after)):
        before = (1, *before[1:])
    return d.add("cumulative", source, earlier=before, later=after)


def keeping(d: Draft, source: str) -> str:
    """One or two layers that keep the size and the jump of a map."""
    one = (1,) * d.ndim

    def conv() -> str:
        kernel, dilation = d.kernel(), d.dilation()
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        padding: Any = d.rng.choice([d.split(totals, even=0.7), "same", "same_lower"])
        op = d.rng.choice(["conv", "conv", "conv", "avg_pool", "max_pool"])
        return d.add(op, source, kernel=kernel, stride=one, dilation=dilation, padding=padding)

    def transposed() -> str:
        kernel, dilation = d.kernel(), d.dilation()
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        return d.add("conv_transpose", source, kernel=kernel, dilation=dilation, padding=d.split(totals))

    def padded() -> str:
        kernel = d.per_axis(lambda: d.rng.choice([3, 2, 4]))
        mode = d.rng.choice(["zeros", "reflect", "replicate", "circular"])
        wide = d.add("pad", source, padding=d.split([k - 1 for k in kernel]), mode=mode)
        return d.add("conv", wide, kernel=kernel)

    def cropped() -> str:
        amount = d.split(d.per_axis(lambda: d.rng.randint(0, 3)))
        kernel = d.kernel()
        totals = [k - 1 for k in kernel]
        more = [t + c for t, c in zip(totals, _totals(amount), strict=True)]
        wide = d.add("conv", source, kernel=kernel, padding=d.split(more))
        if d.chance(0.5):
            return d.add("crop", wide, size=d.sizes[source])
        return d.add("crop", wide, amount=amount)

    def up_and_down() -> str:
        scale = d.per_axis(lambda: d.rng.choice([2, 3, 1]))
        wide = upscaled(d, source, scale)
        return d.add("avg_pool", wide, kernel=scale, stride=scale)

    def windows() -> str:
        window = d.per_axis(lambda: d.rng.randint(1, 4))
        return d.add("window_attention", source, window=window, dilation=d.per_axis(lambda: d.rng.choice([1, 1, 2, 3])))

    return d.attempt(
        d.rng.choice([conv, conv, conv, transposed, padded, cropped, up_and_down, windows]),
        lambda: d.add("pointwise", source),
    )


def shrinking(d: Draft, source: str, stride: Size) -> str:
    """One layer that makes ceil(n / stride) of n entries."""
    one = (1,) * d.ndim

    def strided() -> str:
        kernel, dilation = d.kernel(), d.dilation()
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        padding: Any = d.rng.choice([d.split(totals), "same", "same_lower"])
        op = d.rng.choice(["conv", "max_pool", "avg_pool"])
        return d.add(op, source, kernel=kernel, stride=stride, dilation=dilation, padding=padding)

    def pointwise() -> str:
        return d.add("conv", source, kernel=one, stride=stride)

    def ceiled() -> str:
        return d.add("max_pool", source, kernel=stride, stride=stride, ceil_mode=True)

    def cut() -> str:
        return d.add("slice", source, start=(0,) * d.ndim, step=stride)

    def unshuffled() -> str:
        return d.add("space_to_depth", source, scale=stride)

    return d.attempt(d.rng.choice([strided, strided, pointwise, ceiled, cut, unshuffled]), pointwise)


def upscaled(d: Draft, source: str, scale: Size) -> str:
    """One layer that makes scale·n of n entries."""

    def transposed() -> str:
        kernel = d.per_axis(lambda: d.rng.randint(1, 5 if d.ndim < 3 else 3))
        dilation = d.per_axis(lambda: d.rng.choice([1, 1, 2]))
        spare = [g * (k - 1) + 1 - f for k, g, f in zip(kernel, dilation, scale, strict=True)]
        extra = tuple(d.rng.randint(max(0, -s), max(f - 1, -s, 0)) for s, f in zip(spare, scale, strict=True))
        padding = d.split([s + e for s, e in zip(spare, extra, strict=True)])
        return d.add(
            "conv_transpose",
            source,
            kernel=kernel,
            stride=scale,
            dilation=dilation,
            padding=padding,
            output_padding=extra,
        )

    kind = d.rng.choice(["nearest", "bilinear", "bicubic", "conv_transpose", "pixel_shuffle"])
    if kind == "conv_transpose":
        return d.attempt(transposed, lambda: d.add("pixel_shuffle", source, scale=scale))
    if kind == "pixel_shuffle":
        return d.add("pixel_shuffle", source, scale=scale)
    return d.add("upsample", source, scale=scale, mode=kind, **placed(d, kind, ["half_pixel", "asymmetric"]))


def resampled(d: Draft, source: str) -> str:
    """A resize or adaptive pooling to any size: the jump is then a fraction, so no merge may follow."""

    def draw() -> str:
        size = tuple(d.rng.randint(max(1, n // 2), min(n + 6, 2 * n)) for n in d.sizes[source])
        if d.chance(0.5):
            return d.add("adaptive_pool", source, size=size)
        mode = d.rng.choice(["nearest", "bilinear", "bicubic"])
        if d.chance(0.5):
            corners = (
                mode != "nearest" and min(*size, *d.sizes[source]) > 1 and d.chance(0.5)
            )  # of one entry: no interior
            return d.add("resize", source, size=size, mode=mode, align_corners=corners)
        if mode != "nearest" and d.chance(0.5):
            return d.add("resize", source, size=size, mode=mode, antialias=True)
        return d.add("resize", source, size=size, mode=mode, **placed(d, mode, ["half_pixel", "asymmetric"]))

    return d.attempt(draw, lambda: d.add("pointwise", source))


def placed(d: Draft, mode: str, ways: Sequence[str]) -> dict[str, Any]:
    """Any coordinates, and any rounding of nearest, but what a layer writes otherwise."""
    coordinates = d.rng.choice([None, *ways])
    if coordinates == ("asymmetric" if mode == "nearest" else "half_pixel"):
        coordinates = None
    rounding = d.rng.choice(["floor", "ceil", "down", "up"]) if mode == "nearest" else "floor"
    return {"coordinates": coordinates, "rounding": rounding}


def cutting(d: Draft, source: str) -> str:
    """A slice, crop or pad."""

    def sliced() -> str:
        start = d.per_axis(lambda: d.rng.randint(0, 2))
        step = d.per_axis(lambda: d.rng.choice([1, 2, 3]))
        stop = tuple(d.rng.choice([None, n, max(1, n - 1), n + 3, -1]) for n in d.sizes[source])
        more = {"stop": stop} if any(stop) and (d.ndim > 1 or stop[0] is not None) else {}
        return d.add("slice", source, start=start, step=step, **more)

    def cropped() -> str:
        if d.chance(0.5):
            return d.add("crop", source, size=tuple(d.rng.randint(max(1, n - 4), n) for n in d.sizes[source]))
        return d.add("crop", source, amount=tuple(d.rng.randint(0, 2) for _ in range(2 * d.ndim)))

    def padded() -> str:
        mode = d.rng.choice(["zeros", "reflect", "replicate", "circular"])
        return d.add("pad", source, padding=d.split(d.per_axis(lambda: d.rng.randint(0, 4))), mode=mode)

    def rolled() -> str:
        return d.add("roll", source, shift=d.per_axis(lambda: d.rng.randint(-9, 9)))

    def flipped() -> str:
        return d.add("flip", source, reverse=d.per_axis(lambda: d.rng.randint(0, 1)))

    return d.attempt(d.rng.choice([sliced, cropped, padded, rolled, flipped]), lambda: d.add("pointwise", source))


def _totals(sides: Size) -> list[int]:
    ndim = len(sides) // 2
    return [before + after for before, after in zip(sides[:ndim], sides[ndim:], strict=True)]


def stride_of(d: Draft) -> Size:
    return d.per_axis(lambda: d.rng.choice([2, 1, 3] if d.ndim < 3 else [2, 1]))


def merge(d: Draft, *branches: str) -> str:
    return d.add(d.rng.choice(["add", "concat", "multiply"]), *branches)
