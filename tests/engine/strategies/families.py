"""Families of random networks: chains, residual networks, pyramids, U-Nets, every op, global ops."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.strategies.draft import Draft, Size
from tests.engine.strategies.layers import (
    cutting,
    keeping,
    merge,
    one_way,
    resampled,
    shrinking,
    stride_of,
    upscaled,
    window,
)
from tests.oracles import plain_layers


def chain(d: Draft) -> None:
    """Windows of all kinds, one after the other, and at times another op."""
    x = plain_layers.IMAGE
    for _ in range(d.rng.randint(1, 7)):
        pick = d.rng.random()
        if pick < 0.7:
            x = window(d, x)
        elif pick < 0.8:
            x = keeping(d, x)
        elif pick < 0.9:
            x = d.attempt(lambda x=x: upscaled(d, x, stride_of(d)), lambda x=x: d.add("pointwise", x))  # type: ignore[misc]
        else:
            x = cutting(d, x) if d.chance(0.5) else resampled(d, x)


def residual(d: Draft) -> None:
    """A stem, then blocks with an identity or a strided shortcut."""
    x = window(d, plain_layers.IMAGE)
    for _ in range(d.rng.randint(1, 3)):
        x = residual_block(d, x)


def residual_block(d: Draft, x: str) -> str:
    def block() -> str:
        if d.chance(0.4):
            stride = stride_of(d)
            main, shortcut = shrinking(d, x, stride), shrinking(d, x, stride)
        else:
            main, shortcut = keeping(d, x), x
        for _ in range(d.rng.randint(0, 2)):
            main = keeping(d, main)
        return d.add("add", main, shortcut)

    return d.attempt(block, lambda: d.add("add", x, keeping(d, x)))


def aspp(d: Draft) -> None:
    """A stem, parallel dilated branches and at times a global one, then a head."""
    x = window(d, plain_layers.IMAGE)

    def branch(rate: int) -> str:
        kernel = d.per_axis(lambda: d.rng.choice([3, 3, 2]))
        dilation = d.per_axis(lambda: rate)
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        return d.add("conv", x, kernel=kernel, dilation=dilation, padding=d.split(totals, even=0.8))

    branches = [d.add("conv", x, kernel=(1,) * d.ndim)]
    for _ in range(d.rng.randint(1, 3)):
        branches.append(d.attempt(lambda: branch(d.rng.choice([2, 3, 4, 6])), lambda: keeping(d, x)))
    if d.chance(0.25):
        branches.append(d.add("pointwise", d.add("global_pool", x)))
    x = d.add("concat", *branches)
    for _ in range(d.rng.randint(0, 2)):
        x = window(d, x)


def fpn(d: Draft) -> None:
    """Bottom-up by strides, then top-down by upsampling, cropping and adding."""
    x = keeping(d, plain_layers.IMAGE)
    levels, strides = [x], []
    for _ in range(d.rng.randint(1, 3)):
        stride = stride_of(d)
        x = d.attempt(lambda x=x, stride=stride: shrinking(d, x, stride))  # type: ignore[misc]
        strides.append(stride)
        x = keeping(d, x)
        levels.append(x)
    x = d.add("pointwise", x)
    for lateral, stride in zip(levels[-2::-1], strides[::-1], strict=True):
        x = d.add("upsample", x, scale=stride, mode=d.rng.choice(["nearest", "bilinear"]))
        x = _cropped_to(d, x, d.sizes[lateral])
        x = d.add("add", x, d.add("pointwise", lateral))
        if d.chance(0.5):
            x = keeping(d, x)


def unet(d: Draft) -> None:
    """Down by pooling, up by transposed convolutions or upsampling, skips cropped to what is left of the map."""
    x = plain_layers.IMAGE
    skips, strides = [], []
    for _ in range(d.rng.randint(1, 2)):
        x = _thinned(d, x)
        skips.append(x)
        stride = stride_of(d)
        strides.append(stride)
        x = shrinking(d, x, stride)
    x = _thinned(d, x)
    for skip, stride in zip(skips[::-1], strides[::-1], strict=True):
        x = d.attempt(lambda x=x, stride=stride: upscaled(d, x, stride))  # type: ignore[misc]
        common = tuple(min(a, b) for a, b in zip(d.sizes[x], d.sizes[skip], strict=True))
        x, skip = _cropped_to(d, x, common), _cropped_to(d, skip, common)
        x = _thinned(d, d.add("concat", skip, x))


def _thinned(d: Draft, x: str) -> str:
    """A convolution without padding, or one that keeps the map."""
    kernel = d.per_axis(lambda: d.rng.choice([3, 2]))
    if d.chance(0.6):
        return d.attempt(lambda: d.add("conv", x, kernel=kernel), lambda: keeping(d, x))
    return keeping(d, x)


def _cropped_to(d: Draft, x: str, size: Size) -> str:
    """Crop by size or by amount, if there is anything to crop."""
    totals = [n - m for n, m in zip(d.sizes[x], size, strict=True)]
    if not any(totals) and d.chance(0.8):
        return x
    return d.add("crop", x, size=size) if d.chance(0.5) else d.add("crop", x, amount=d.split(totals))


def inception(d: Draft) -> None:
    """Parallel branches of unlike kernels, 1×7 beside 7×1, merged; then the same again or a reduction."""
    x = window(d, plain_layers.IMAGE) if d.chance(0.6) else plain_layers.IMAGE
    for _ in range(d.rng.randint(1, 2)):
        if d.chance(0.3):
            stride = stride_of(d)
            x = d.attempt(lambda x=x, stride=stride: merge(d, *(shrinking(d, x, stride) for _ in range(2))))  # type: ignore[misc]
        else:
            x = d.attempt(lambda x=x: mixed(d, x), lambda x=x: merge(d, x, keeping(d, x)))  # type: ignore[misc]
    if d.chance(0.5):
        window(d, x)


def mixed(d: Draft, x: str) -> str:
    long = d.rng.choice([7, 3, 4, 5] if d.ndim < 3 else [3, 2])
    crossed = d.rng.randrange(d.ndim)

    def bar(axis: int, source: str) -> str:
        kernel = tuple(long if a == axis else 1 for a in d.axes)
        return d.add("conv", source, kernel=kernel, padding=d.split([k - 1 for k in kernel], even=0.7))

    branches = [bar(crossed, x), bar((crossed + 1) % d.ndim, x)]
    if d.chance(0.4):
        branches.append(bar(0, bar(d.ndim - 1, x)))
    if d.chance(0.3):
        branches.append(x)
    if d.chance(0.4):
        branches.append(keeping(d, x))
    return merge(d, *branches)


def all_ops(d: Draft) -> None:
    """Every op, every mode: kept maps merge, side branches are global, and what changes the jump comes last."""
    x = plain_layers.IMAGE
    for _ in range(d.rng.randint(2, 5)):
        x = d.attempt(lambda x=x: _any_block(d, x), lambda x=x: keeping(d, x))  # type: ignore[misc]
    for _ in range(d.rng.randint(0, 2)):
        x = resampled(d, x)
        if d.chance(0.5):
            x = window(d, x)
    if d.chance(0.15):
        x = d.add(d.rng.choice(["global_pool", "linear", "attention"]), x) if d.chance(0.7) else one_way(d, x)
        if d.chance(0.5):
            keeping(d, x)


def _any_block(d: Draft, x: str) -> str:
    kind = d.rng.randint(0, 10)
    if kind <= 1:
        return window(d, x)
    if kind == 2:
        return keeping(d, x)
    if kind == 3:
        return shrinking(d, x, stride_of(d))
    if kind == 4:
        return upscaled(d, x, stride_of(d))
    if kind == 5:
        return cutting(d, x)
    if kind == 6:
        return residual_block(d, x)
    if kind == 7:
        return merge(d, *(keeping(d, x) for _ in range(d.rng.randint(1, 3))), *([x] * d.rng.randint(0, 2)))
    if kind == 8:
        return _resampled_alike(d, x)
    return with_global(d, x)


def _resampled_alike(d: Draft, x: str) -> str:
    """Two branches of one size, both resampled to one other size: equal jumps again."""
    size = tuple(d.rng.randint(max(1, n - 3), n + 3) for n in d.sizes[x])

    def one(source: str) -> str:
        mode = d.rng.choice(["nearest", "bilinear", "adaptive"])
        if mode == "adaptive" and max(size) > 1:
            return d.add("adaptive_pool", source, size=size)
        return d.add("resize", source, size=size, mode="nearest" if mode == "adaptive" else mode)

    return merge(d, one(x), one(keeping(d, x)))


def with_global(d: Draft, x: str) -> str:
    """Squeeze-and-excitation, or attention beside the identity."""
    kind = d.rng.randint(0, 3)
    if kind == 0:
        return d.add("add", x, d.add("attention", x) if d.chance(0.5) else one_way(d, x))
    if kind == 1:
        gate = d.add("linear", x)
    elif kind == 2:
        gate = d.add("adaptive_pool", x, size=(1,) * d.ndim)
    else:
        gate = d.add("global_pool", x)
    if d.chance(0.6):
        gate = d.add("pointwise", gate)
    return d.add("multiply", x, gate) if d.chance(0.8) else d.add("concat", gate, x)


def global_ops(d: Draft) -> None:
    """Layers that miss pixels, or many products, then a global op beside the map or alone; and so on once more."""
    x = plain_layers.IMAGE
    for _ in range(d.rng.randint(1, 2)):
        for _ in range(d.rng.randint(1, 2)):
            x = d.attempt(lambda x=x: missing(d, x), lambda x=x: mixed(d, x), lambda x=x: keeping(d, x))  # type: ignore[misc]
        if d.chance(0.5):
            x = d.attempt(lambda x=x: mixed(d, x), lambda x=x: keeping(d, x))  # type: ignore[misc]
        x = with_global(d, x)
        if d.chance(0.5):
            x = window(d, x)
    if d.chance(0.3):
        d.add(d.rng.choice(["global_pool", "linear", "attention"]), x) if d.chance(0.7) else one_way(d, x)


def missing(d: Draft, x: str) -> str:
    """A layer that leaves pixels out: kernel below stride, holes of a dilation, or what a floor cuts off."""
    stride = d.per_axis(lambda: d.rng.choice([2, 3, 1]))
    kernel = d.per_axis(lambda: d.rng.choice([1, 2, 3] if d.ndim < 3 else [1, 2]))
    dilation = d.per_axis(lambda: d.rng.choice([1, 2, 3]))
    return d.add(d.rng.choice(["conv", "max_pool", "avg_pool"]), x, kernel=kernel, stride=stride, dilation=dilation)


WRITERS: dict[str, Callable[[Draft], None]] = {
    "chain": chain,
    "residual": residual,
    "aspp": aspp,
    "fpn": fpn,
    "unet": unet,
    "inception": inception,
    "all_ops": all_ops,
    "global_ops": global_ops,
}
FAMILIES = tuple(WRITERS)
