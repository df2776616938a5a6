"""Random programs of ATen operators, and a campaign that judges the reader of them by NaN propagation.

python -m tests.engine.readers.judges.random_programs 1000 --seed 0
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from rfscale.engine.readers.tensors.layout import UnreadableError
from tests.engine.readers.judges.programs import Program, Ref, judge

Step = Callable[["Draw", Ref], Ref]


class Draw:
    """A program being drawn: its random numbers, and whether all channels have seen the same so far."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        size = [rng.randint(4, 8) for _ in range(2)]
        self.p = Program((1, rng.randint(1, 2), *size), rng.randrange(1 << 30))
        self.alike = True

    def shape(self, y: Ref) -> tuple[int, ...]:
        return tuple(self.p.of(y).shape)

    def axis(self) -> int:
        return self.rng.choice([2, 3])

    def conv(self, y: Ref, channels: int = 4, **given: Any) -> Ref:
        kernel = given.pop("kernel", [self.rng.randint(1, 3) for _ in range(2)])
        weights = self.p.rand(channels, self.shape(y)[1], *kernel)
        return self.p.call("conv2d", y, weights, None, *given.values())


def convolution(d: Draw, y: Ref) -> Ref:
    kernel = [d.rng.randint(1, 3) for _ in range(2)]
    padding = [d.rng.randint(0, k - 1) for k in kernel]
    stride, dilation = ([d.rng.choice([1, 1, 2]) for _ in range(2)] for _ in range(2))
    d.alike = True
    return d.conv(y, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


def same(d: Draw, y: Ref) -> Ref:
    d.alike = True
    return d.conv(y, d.shape(y)[1], stride=[1, 1], padding="same")


def transposed(d: Draw, y: Ref) -> Ref:
    kernel, stride = ([d.rng.randint(1, 3) for _ in range(2)] for _ in range(2))
    d.alike = True
    return d.p.call("conv_transpose2d.input", y, d.p.rand(d.shape(y)[1], 4, *kernel), None, stride)


def pool(d: Draw, y: Ref) -> Ref:
    name = d.rng.choice(["max_pool2d", "avg_pool2d", "max_pool2d_with_indices"])
    kernel = [d.rng.randint(1, 3) for _ in range(2)]
    more = [[1, 1]] if name.startswith("max") else []
    made = d.p.call(name, y, kernel, [d.rng.randint(1, 3), d.rng.randint(1, 2)], [k // 2 for k in kernel], *more,
                    d.rng.random() < 0.5)  # fmt: skip
    return made[0] if isinstance(made, list) else made


def adaptive(d: Draw, y: Ref) -> Ref:
    return d.p.call(d.rng.choice(["adaptive_avg_pool2d", "_adaptive_avg_pool2d"]), y, [d.rng.randint(1, 4), 3])


def cut(d: Draw, y: Ref) -> Ref:
    a = d.axis()
    n = d.shape(y)[a]
    start = d.rng.randrange(n)
    return d.p.call("slice", y, a, start, d.rng.randint(start + 1, n), d.rng.choice([1, 1, 2, 3]))


def turned(d: Draw, y: Ref) -> Ref:
    return d.rng.choice(
        [
            lambda: d.p.call("flip", y, d.rng.choice([[2], [3], [2, 3], [1, 2]])),
            lambda: d.p.call("rot90", y, d.rng.randint(-3, 3), [2, 3]),
            lambda: d.p.call("transpose.int", y, 2, -1),
            lambda: d.p.call("roll", y, [d.rng.randint(-4, 4)], [d.axis()]),
        ]
    )()


def padded(d: Draw, y: Ref) -> Ref:
    sides = [d.rng.randint(-1, 2) for _ in range(4)]
    if d.rng.random() < 0.5:
        return d.p.call("constant_pad_nd", y, sides)
    return d.p.call(d.rng.choice(["reflection_pad2d", "replication_pad2d"]), y, [max(0, s) for s in sides])


def joined(d: Draw, y: Ref) -> Ref:
    a = d.rng.choice([1, 2, 3])
    others = [y, d.conv(y, d.shape(y)[1], stride=[1, 1], padding="same"), cut(d, y) if a > 1 else y]
    part = d.p.call("slice", y, a, 0, d.rng.randint(0, 2)) if a > 1 else y
    d.alike = d.alike and a > 1
    d.rng.shuffle(others)
    return d.p.call("cat", [*others[:2], part] if a > 1 else others[:2], a)


def written(d: Draw, y: Ref) -> Ref:
    a = d.axis()
    n = d.shape(y)[a]
    made = d.conv(y, d.shape(y)[1], stride=[1, 1], padding="same")
    start, stop, step = d.rng.randrange(n), d.rng.randint(1, n), d.rng.choice([1, 1, 2, 3])
    base: Any = y if d.rng.random() < 0.7 else torch.zeros_like(d.p.of(y))
    kind = d.rng.randint(0, 3)
    if kind == 0:
        return d.p.call("select_scatter", base, d.p.call("select.int", made, a, d.rng.randrange(n)), a, start)
    if kind == 1:
        table = torch.tensor(d.rng.sample(range(n), d.rng.randint(1, n)))
        part = d.p.call("slice", made, a, 0, len(table))
        return d.p.call("index_copy", base, a, table, part)
    if kind == 2:
        table = torch.tensor(d.rng.sample(range(n), d.rng.randint(1, n)))
        value = torch.tensor(3.0, dtype=torch.float64)
        return d.p.call("index_put", y, [None] * a + [table], value)
    part = d.p.call("slice", made, a, start, stop, step)
    return d.p.call("slice_scatter", base, part, a, start, stop, step)


def picked(d: Draw, y: Ref) -> Ref:
    a = d.axis()
    table = torch.tensor([d.rng.randrange(d.shape(y)[a]) for _ in range(d.rng.randint(1, 6))])
    if d.rng.random() < 0.5:
        table = table.sort(descending=d.rng.random() < 0.5).values
    return d.p.call("index_select", y, a, table)


def in_pairs(d: Draw, y: Ref) -> Ref:
    a = d.axis()
    return d.rng.choice(
        [
            lambda: d.p.call("glu", y, d.rng.choice([1, 2, 3])),
            lambda: d.p.call("diff", y, d.rng.randint(1, 2), a),
            lambda: d.p.call("repeat_interleave.self_int", y, d.rng.randint(1, 3), a),
            lambda: d.p.call("mul.Tensor", y, d.p.call("slice", y, a, 1, 2)),
            lambda: d.p.call("add.Tensor", y, d.p.call("flip", y, [a])),
            lambda: d.p.call("upsample_nearest2d", y, [d.rng.randint(3, 12), d.rng.randint(3, 12)]),
        ]
    )()


def one_way(d: Draw, y: Ref) -> Ref:
    made = d.p.call(d.rng.choice(["cumsum", "cumprod", "cummax", "cummin"]), y, d.rng.choice([1, 2, 3]))
    return made[0] if isinstance(made, list) else made


def mixed(d: Draw, y: Ref) -> Ref:
    a = d.axis()
    w = d.shape(y)[-1]
    return d.rng.choice(
        [
            lambda: d.p.call("softmax.int", y, a),
            lambda: d.p.call("sub.Tensor", y, d.p.call("mean.dim", y, [a], True)),
            lambda: d.p.call("native_layer_norm", y, [w], None, None, 1e-5)[0],
            lambda: d.p.call("group_norm", y, 1),
            lambda: d.p.call("linear", y, d.p.rand(d.rng.randint(2, 5), w)),
            lambda: d.p.call("_scaled_dot_product_attention_math", y, y, y)[0],  # others lose a NaN
            lambda: d.p.call("add.Tensor", y, d.p.call("amax", y, [2, 3], True)),
            lambda: d.p.call("einsum", "...chw,wv->...chv", [y, d.p.rand(w, 4)]),
            lambda: d.p.call("abs", d.p.call("fft_rfft", y, None, a)),
        ]
    )()


def in_windows(d: Draw, y: Ref) -> Ref:
    """Windows in the batch, a layer on each, and all of them again as one map."""
    n, c, h, w = d.shape(y)
    a, b = (d.rng.choice([k for k in range(1, m + 1) if m % k == 0]) for m in (h, w))
    parts = d.p.call("view", d.p.call("contiguous", y), [n, c, h // a, a, w // b, b])
    parts = d.p.call("reshape", d.p.call("permute", parts, [0, 2, 4, 1, 3, 5]), [-1, c, a, b])
    kind = d.rng.randint(0, 3)
    if kind == 0:
        made = d.conv(parts, stride=[1, 1], padding=[1, 1])
    elif kind == 1:
        made = d.p.call("max_pool2d", parts, [2, 2], [1, 1], [1, 1])
    elif kind == 2:
        made = d.p.call("softmax.int", parts, d.axis())
    else:
        made = d.p.call("sub.Tensor", parts, d.p.call("mean.dim", parts, [2, 3], True))
    _, c, i, j = d.shape(made)
    whole = d.p.call("view", d.p.call("contiguous", made), [n, h // a, w // b, c, i, j])
    return d.p.call("reshape", d.p.call("permute", whole, [0, 3, 1, 4, 2, 5]), [n, c, h // a * i, w // b * j])


def unfolded(d: Draw, y: Ref) -> Ref:
    windows = d.p.call("unfold", y, d.axis(), d.rng.randint(1, 3), d.rng.randint(1, 3))
    return d.p.call("mean.dim", windows, [-1])


def shuffled(d: Draw, y: Ref) -> Ref:
    if not d.alike:
        raise RuntimeError("channels differ: where they go to matters")
    _, c, _, _ = d.shape(y)
    if c % 4 == 0 and d.rng.random() < 0.5:
        return d.p.call("pixel_shuffle", y, 2)
    d.alike = False  # each channel holds other pixels, and an entry stands for all its channels
    return d.p.call("pixel_unshuffle", y, 2)


def pointwise(d: Draw, y: Ref) -> Ref:
    return d.p.call(d.rng.choice("relu sigmoid absolute arctan exp2 erf square".split()), y)


STEPS: tuple[Step, ...] = (
    convolution, same, transposed, pool, adaptive, cut, cut, turned, turned, padded, joined, written, written, picked,
    in_pairs, in_pairs, one_way, mixed, mixed, in_windows, unfolded, shuffled, pointwise,
)  # fmt: skip


def draw(seed: int) -> tuple[Program, Ref, list[str]]:
    """A program, its last step, and what it is made of."""
    rng = random.Random(seed)
    d = Draw(rng)
    y, names = Ref(0), []
    for _ in range(rng.randint(2, 5)):
        step = rng.choice(STEPS)
        written_before = len(d.p.steps)
        try:
            made = step(d, y)
        except (RuntimeError, IndexError, ValueError):  # sizes that the operator does not take
            del d.p.steps[written_before:], d.p.values[written_before + 1 :]
            continue
        if 0 < d.p.of(made).numel() < 1200:
            y = made
            names.append(step.__name__)
    return d.p, y, names


def judged(seed: int) -> tuple[str, list[str]]:
    """What became of a program: ``equal``, or the reason why the reader ends in it. A wrong number raises."""
    program, ref, names = draw(seed)
    try:
        judge(program, ref, every=1 + program.of(ref).numel() // 200)
    except UnreadableError as reason:
        return str(reason), names
    return "equal", names


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found: Counter[str] = Counter()
    for seed in range(given.seed, given.seed + given.count):
        try:
            outcome = judged(seed)[0]
            found[outcome] += 1
            if "not those of the operator" in outcome:
                print(f"seed {seed}: {outcome}")
        except Exception as error:
            found["WRONG"] += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error)[-900:]}")
    for reason, count in found.most_common():
        print(f"{count:6} {reason}")


if __name__ == "__main__":
    main()
