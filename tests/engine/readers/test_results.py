"""Rules of shape against the operators themselves: on tensors of random shapes and strides, and on wrong arguments."""

from __future__ import annotations

import random

import pytest

import rfscale as rf
from tests.engine.readers.judges.models import module

torch = pytest.importorskip("torch")

from rfscale.engine.readers.torch.trace import results  # noqa: E402
from rfscale.engine.readers.torch.trace.results import RULES, made  # noqa: E402

pytestmark = pytest.mark.torch
DRAWS = 40  # for each rule
TWO = ("mul.", "div.", "true_divide.", "maximum.", "minimum.", "add.", "sub.")
NUMBERS = {"clamp": [0.2], "clamp_min": [0.2], "clamp_max": [0.2], "threshold": [0.2, 1], "pow": [2]}
FREE = "scaled_dot_product_attention"  # which of its ways is taken decides its strides; the rule has those of products


class Draw:
    """Random arguments."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *values):
        return self.random.choice(values)

    def size(self):
        return self.one(1, 1, 2, 3, 4, 5)

    def shape(self, *ranks):
        return [self.size() for _ in range(self.one(*(ranks or (2, 3, 4, 4, 5))))]

    def tensor(self, shape, *layouts):
        """A tensor whose entries lie one after another, permuted, by channels, spread, or with gaps between."""
        layout = self.one(*(layouts or ("plain", "plain", "channels", "permuted", "gaps", "spread")))
        if layout == "channels" and len(shape) == 4:
            return torch.rand(shape).to(memory_format=torch.channels_last)
        if layout == "permuted":
            order = self.random.sample(range(len(shape)), len(shape))
            return torch.rand([shape[d] for d in order]).permute([order.index(d) for d in range(len(shape))])
        d = self.random.randrange(len(shape)) if shape else 0
        if layout == "gaps" and shape:
            wide = [2 * n + 1 if e == d else n for e, n in enumerate(shape)]
            return torch.rand(wide).narrow(d, 1, 2 * shape[d])[(slice(None),) * d + (slice(None, None, 2),)]
        if layout == "spread" and shape:
            return torch.rand([1 if e == d else n for e, n in enumerate(shape)]).expand(shape)
        return torch.rand(shape)

    def narrower(self, shape):
        """A shape that is broadcast to another."""
        return [n if self.one(True, True, False) else 1 for n in shape][self.one(0, 0, 1) :]


def arguments(name, draw):
    """Arguments of an operator, most of which fit."""
    base, shape = name.partition(".")[0], draw.shape()
    x = draw.tensor(shape)
    if name.startswith(TWO):
        y = draw.tensor(draw.one(shape, draw.narrower(shape)))
        pair = [x, 2.5] if draw.one(*[False] * 5, "mm" not in base and "imum" not in base) else draw.one([x, y], [y, x])
        return pair, {"alpha": 2} if base in ("add", "sub") and draw.one(True, False) else {}
    if base == "gelu":
        return [x], draw.one({}, {"approximate": "tanh"})
    return (FAMILIES[base](draw, shape, x) if base in FAMILIES else [x, *NUMBERS.get(base, [])]), {}


def batch_norm(draw, shape, x):
    return [x, *(torch.rand(shape[1]) for _ in range(4)), False, 0.1, 1e-5, False]


def group_norm(draw, shape, x):
    groups = draw.one(*(g for g in range(1, shape[1] + 2) if shape[1] % g == 0 or g > shape[1]))
    return [x, groups, torch.rand(shape[1]), torch.rand(shape[1]), 1e-5, False]


def layer_norm(draw, shape, x):
    own = shape[-draw.one(1, 1, 2) :]
    return [x, own, *draw.one([None, None], [torch.rand(own), torch.rand(own)]), 1e-5, False]


def linear(draw, shape, x):
    n = draw.size()
    return [x, draw.tensor([n, draw.one(shape[-1], shape[-1], 3)]), draw.one(None, torch.rand(n))]


def matmul(draw, shape, x):
    batch = draw.one(shape[:-2], draw.narrower(shape[:-2]))
    return [x, draw.tensor([*batch, shape[-1], draw.size()])]


def bmm(draw, shape, x):
    shape = draw.shape(3)
    return [draw.tensor(shape), draw.tensor([draw.one(shape[0], shape[0], 2), shape[2], draw.size()])]


def softmax(draw, shape, x):
    return [x, draw.random.randrange(-len(shape), len(shape) + 1)]


def attention(draw, shape, x):
    shape, keys = draw.shape(3, 4, 4), draw.size()
    mask = draw.one(None, torch.rand(shape[-2], keys), torch.rand(shape[-2], keys) > 0.5)
    parts = [draw.tensor([*shape[:-2], n, shape[-1]]) for n in (shape[-2], keys, keys)]
    return parts if mask is None else [*parts, mask]


def convolution(rank):
    def draw_one(draw, shape, x):
        groups = draw.one(1, 1, 2)
        before, after = groups * draw.size(), groups * draw.size()
        x = draw.tensor(
            [draw.size(), before, *(draw.one(1, 5, 6, 7) for _ in range(rank))], "plain", "channels", "permuted"
        )
        kernel = [draw.one(1, 2, 3) for _ in range(rank)]
        w = draw.tensor([after, draw.one(before // groups, before // groups, 2), *kernel], "plain", "channels")
        way = [[draw.one(1, 1, 2) for _ in range(draw.one(1, rank))] for _ in range(3)]
        return [x, w, draw.one(None, torch.rand(after)), way[0], [p - 1 for p in way[1]], way[2], groups]

    return draw_one


def pool(draw, shape, x):
    return [draw.tensor(draw.shape(3, 4)), [draw.size(), draw.size()]]


def reduction(draw, shape, x):
    return [x, draw.random.sample(range(len(shape)), draw.one(1, 2)), draw.one(True, False)]


def cat(draw, shape, x):
    d = draw.random.randrange(-len(shape), len(shape))
    layouts = draw.one((), ("channels",), ("plain",))
    parts = [[draw.size() if e == d % len(shape) else n for e, n in enumerate(shape)] for _ in range(draw.one(1, 2, 3))]
    return [[draw.tensor(part, *layouts) for part in parts], d]


def roll(draw, shape, x):
    dims = draw.random.sample(range(len(shape)), draw.one(1, 2))
    return [x, [1] * len(dims), dims]


def upsampling(draw, shape, x):
    way = draw.one([[draw.size(), draw.size()], None], [None, [draw.one(0.5, 1.3, 2.0)] * 2])
    return [draw.tensor(draw.shape(4)), way[0], False, way[1]]


def recurrent(gates, states):
    def draw_one(draw, shape, x):
        biases, layers, both, batch_first = (draw.one(True, False), draw.one(1, 2), *draw.one((0, 1), (1, 0), (1, 1)))
        x, hidden, ways = draw.tensor(draw.shape(3)), draw.size(), 1 + both
        batch = x.shape[0 if batch_first else 1]
        state = [torch.rand(ways * layers, batch, draw.one(*[hidden] * 7, 9)) for _ in range(states)]
        weights = []
        for layer in range(layers):
            before = ways * hidden if layer else x.shape[2]
            one = [[gates * hidden, before], [gates * hidden, hidden], *[[gates * hidden]] * (2 * biases)]
            weights += [torch.rand(w) for w in one * ways]
        return [
            x,
            state if states > 1 else state[0],
            weights,
            biases,
            layers,
            0.0,
            False,
            bool(both),
            bool(batch_first),
        ]

    return draw_one


FAMILIES = {
    "lstm": recurrent(4, 2),
    "gru": recurrent(3, 1),
    "rnn_tanh": recurrent(1, 1),
    "rnn_relu": recurrent(1, 1),
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "linear": linear,
    "matmul": matmul,
    "bmm": bmm,
    "softmax": softmax,
    "scaled_dot_product_attention": attention,
    "adaptive_avg_pool2d": pool,
    "mean": reduction,
    "sum": reduction,
    "cat": cat,
    "roll": roll,
    "upsample_bilinear2d": upsampling,
    "upsample_bicubic2d": upsampling,
    **{f"conv{rank}d": convolution(rank) for rank in (1, 2, 3)},
}


def operator(name):
    base, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, base), overload)


def without_values(value):
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return [without_values(v) for v in value] if isinstance(value, list) else value


def signature(tensor):
    """Shape, type and strides, but for those of dims of one entry, which no operator reads."""
    strides = [s for n, s in zip(tensor.shape, tensor.stride(), strict=True) if n > 1]
    return tuple(tensor.shape), tensor.dtype, strides


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_gives_what_the_operator_does(name):
    """On the CPU, with its strides; shapes and types are those of torch's own functions without values, too."""
    func, given = operator(name), 0
    for seed in range(DRAWS):
        args, kwargs = arguments(name, Draw(f"{name} {seed}"))
        without = [without_values(a) for a in args]
        with torch.inference_mode():
            out = made(func, without, kwargs)
            if out is None:
                continue
            given += 1
            real, meta = func(*args, **kwargs), func(*without, **kwargs)  # neither raises where the rule applies
        several = isinstance(out, tuple)
        for o, r, m in zip(*((out, real, meta) if several else ([out], [real], [meta])), strict=True):
            assert o.device.type == "meta"
            assert signature(o)[: 2 if FREE in name else 3] == signature(r)[: 2 if FREE in name else 3], args
            assert signature(o)[:2] == signature(m)[:2]
    assert given > DRAWS // 4


@pytest.mark.parametrize("name", sorted(RULES))
def test_no_rule_applies_to_other_types_and_empty_tensors(name):
    """Those are promoted, refused, or special: the operator says it."""
    args, kwargs = arguments(name, Draw("plain"))
    for change in (lambda t: t.to(torch.int32), lambda t: t[:0] if t.dim() else t, lambda t: t.to(torch.complex64)):
        changed = [change(a) if isinstance(a, torch.Tensor) else a for a in args]
        if isinstance(args[0], list):
            changed[0] = [change(a) for a in args[0]]
        assert made(operator(name), [without_values(a) for a in changed], kwargs) is None


def test_no_rule_mixes_types():
    x, y = torch.empty(2, 3, device="meta"), torch.empty(2, 3, dtype=torch.float64, device="meta")
    for name in ("add.Tensor", "mul.Tensor", "matmul.default", "linear.default"):
        assert made(operator(name), [x, y], {}) is None
    assert made(operator("cat.default"), [[x, y]], {}) is None
    assert made(operator("mean.dim"), [x, [0]], {"dtype": torch.float64}) is None


def test_wrong_arguments_are_left_to_the_operator():
    wide, flat = torch.rand(2, 3, 8, 8), torch.rand(2, 3)
    weight = torch.rand(4, 3, 3, 3)
    wrong = [
        ("conv2d.default", [wide, torch.rand(4, 2, 3, 3)]),
        ("conv2d.default", [wide, weight, torch.rand(3)]),
        ("conv2d.default", [wide, weight, None, [0, 1]]),
        ("conv2d.default", [wide, weight, None, [1, 1], [0, 0], [8, 8]]),
        ("linear.default", [flat, torch.rand(4, 5)]),
        ("layer_norm.default", [flat, [4]]),
        ("batch_norm.default", [wide, torch.rand(4), None, None, None, False, 0.1, 1e-5, False]),
        ("add.Tensor", [flat, torch.rand(2, 4)]),
        ("matmul.default", [wide, torch.rand(2, 3, 7, 8)]),
        ("softmax.int", [flat, 2]),
        ("mean.dim", [flat, [0, 0]]),
        ("mean.dim", [flat, [2]]),
        ("cat.default", [[flat, torch.rand(3, 3)], 1]),
        ("roll.default", [flat, [1], [2]]),
        ("adaptive_avg_pool2d.default", [flat, [1, 1]]),
        ("upsample_bilinear2d.vec", [wide, [0, 4], False, None]),
    ]
    for name, args in wrong:
        assert made(operator(name), without_values(args), {}) is None, name


@pytest.mark.parametrize(
    "model",
    [
        "torchvision.models:shufflenet_v2_x1_0@64",
        "torchvision.models:swin_t@112",
        "timm:levit_128@224",
        "timm:convnext_atto@64",
        "timm:mobilevit_xxs@64",
        "timm:cait_xxs24_224@224",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_rules_do_not_change_what_is_read(model, monkeypatch):
    name, _, size = model.partition("@")
    shape = (1, 3, int(size), int(size))
    with_rules = rf.load(module(name), example_input=shape)
    monkeypatch.setattr(results, "RULES", {})
    without = rf.load(module(name), example_input=shape)
    assert without.to_dict() == with_rules.to_dict()


def test_an_operator_without_a_rule_has_none():
    assert made(torch.ops.aten.topk.default, [torch.empty(3, device="meta"), 1], {}) is None
