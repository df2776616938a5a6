"""ATen operators one by one, by NaN propagation or autograd: each entry of a small map."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def started(size=(6, 5), channels=4, kernel=(3, 2)):
    """A program with a convolution of the image: entries that see their neighbours."""
    from tests.engine.readers.judges.programs import Program, Ref

    p = Program((1, 1, *size))
    return p, p.call("conv2d", Ref(0), p.rand(channels, 1, *kernel), None, [1, 1], "same")


def table(*numbers):
    import torch

    return torch.tensor(numbers)


CASES = {
    "subtract": lambda p, y: p.call("subtract", y, y),
    "multiply and divide": lambda p, y: p.call("divide", p.call("multiply", y, 2.0), y),
    "greater_equal": lambda p, y: p.call("where", p.call("greater_equal", y, 1e9), p.of(y), y),
    "where of a constant": lambda p, y: p.call("where", p.of(y) > 0, p.rand(1, 4, 6, 5), y),
    "glu": lambda p, y: p.call("glu", y, 1),
    "glu along rows": lambda p, y: p.call("glu", y, 2),
    "channel_shuffle": lambda p, y: p.call("channel_shuffle", y, 2),
    "cosine_similarity": lambda p, y: p.call("cosine_similarity", y, p.rand(1, 4, 6, 5), 1),
    "cosine_similarity along rows": lambda p, y: p.call("cosine_similarity", y, y, 2),
    "pairwise_distance": lambda p, y: p.call("pairwise_distance", y, p.rand(1, 4, 6, 5)),
    "diff": lambda p, y: p.call("diff", y, 1, 2),
    "diff twice": lambda p, y: p.call("diff", y, 2, 3),
    "diff, prepended": lambda p, y: p.call("diff", y, 1, 3, p.rand(1, 4, 6, 1)),
    "tensordot": lambda p, y: p.call("tensordot", y, p.rand(4, 7), [1], [0]),
    "tensordot of rows": lambda p, y: p.call("tensordot", y, p.rand(6, 7), [2], [0]),
    "einsum with dots": lambda p, y: p.call("einsum", "...chw,dc->...dhw", [y, p.rand(3, 4)]),
    "einsum without output": lambda p, y: p.call("einsum", "bchw,cd", [y, p.rand(4, 3)]),
    "einsum, dots without output": lambda p, y: p.call("einsum", "b...w,wd", [y, p.rand(5, 3)]),
    "inner": lambda p, y: p.call("inner", y, p.rand(3, 5)),
    "cdist": lambda p, y: p.call("cdist", y, p.rand(1, 4, 7, 5)),
    "bilinear": lambda p, y: p.call("bilinear", y, y, p.rand(3, 5, 5)),
    "repeat_interleave": lambda p, y: p.call("repeat_interleave.self_int", y, 2, 2),
    "repeat_interleave of channels": lambda p, y: p.call("repeat_interleave.self_int", y, 3, 1),
    "hstack": lambda p, y: p.call("hstack", [y, y]),
    "vstack": lambda p, y: p.call("vstack", [y, y]),
    "norm": lambda p, y: p.call("norm.ScalarOpt_dim", y, 2, [1]),
    "norm of rows": lambda p, y: p.call("norm.ScalarOpt_dim", y, 2, [3], True),
    "std": lambda p, y: p.call("std.dim", y, [2], True, True),
    "var of all": lambda p, y: p.call("add.Tensor", y, p.call("var", y, True)),
    "aminmax": lambda p, y: p.call("aminmax", y, dim=2)[1],
    "quantile": lambda p, y: p.call("quantile.scalar", y, 0.5, 3),
    "topk of channels": lambda p, y: p.call("topk", y, 2, 1)[0],
    "sort of channels": lambda p, y: p.call("sort", y, 1)[0],
    "argsort of channels": lambda p, y: p.call("add.Tensor", y, p.call("argsort", y, 1)),
    "unbound and stacked": lambda p, y: p.call("stack", p.call("unbind.int", y, 2), 3),
    "atleast_3d": lambda p, y: p.call("atleast_3d", y),
    "flatten": lambda p, y: p.call("flatten.using_ints", y, 2),
    "squeeze": lambda p, y: p.call("squeeze", p.call("slice", y, 2, 3, 4)),
    "one row": lambda p, y: p.call("slice", y, 2, 3, 4),
    "one row, padded": lambda p, y: p.call("constant_pad_nd", p.call("slice", y, 2, 3, 4), [1, 1, 2, 3]),
    "one row, added": lambda p, y: p.call("add.Tensor", y, p.call("slice", y, 2, 3, 4)),
    "one column between": lambda p, y: p.call("cat", [y, p.call("slice", y, 3, 1, 2), y], 3),
    "nothing between": lambda p, y: p.call("cat", [y, p.call("slice", y, 3, 2, 2), y], 3),
    "embedding": lambda p, y: p.call("add.Tensor", p.call("unsqueeze", y, -1), p.rand(3)),
    "flip": lambda p, y: p.call("flip", y, [2]),
    "flip of both": lambda p, y: p.call("add.Tensor", y, p.call("flip", y, [3, 2])),
    "rot90": lambda p, y: p.call("rot90", y, 1, [2, 3]),
    "rot90 backwards": lambda p, y: p.call("rot90", y, -1, [2, 3]),
    "rot90 twice": lambda p, y: p.call("rot90", y, 2, [3, 2]),
    "unfold": lambda p, y: p.call("unfold", y, 2, 3, 1),
    "unfold, side by side": lambda p, y: p.call("unfold", y, 2, 3, 3),
    "unfold, apart": lambda p, y: p.call("unfold", y, 3, 2, 3),
    "unfold of both": lambda p, y: p.call("unfold", p.call("unfold", y, 2, 3, 2), 3, 2, 1),
    "index of channels": lambda p, y: p.call("index.Tensor", y, [None, table(2, 0)]),
    "index of rows": lambda p, y: p.call("index.Tensor", y, [None, None, table(0, 2, 4)]),
    "index that reverses": lambda p, y: p.call("index.Tensor", y, [None, None, table(5, 4, 3, 2)]),
    "index that permutes": lambda p, y: p.call("index_select", y, 3, table(3, 4, 0, 2, 1)),
    "index that repeats": lambda p, y: p.call("index_select", y, 3, table(0, 0, 1, 1, 4, 4)),
    "index of one row": lambda p, y: p.call("index_select", y, 2, table(1, 1, 1)),
    "index by a mask": lambda p, y: p.call("index.Tensor", y, [None, None, table(1, 0, 1, 1, 0, 1).bool()]),
    "index of rows and columns": lambda p, y: p.call(
        "index.Tensor", y, [None, None, table(0, 2, 4)[:, None], table(3, 1)[None]]
    ),
    "index by a square table": lambda p, y: p.call("index.Tensor", y, [None, None, table(0, 1, 2, 3).view(2, 2)]),
    "gather of channels": lambda p, y: p.call("gather", y, 1, table(1, 0).view(1, 2, 1, 1).expand(1, 2, 6, 5)),
    "gather of rows": lambda p, y: p.call("gather", y, 2, table(4, 1).view(1, 1, 2, 1).expand(1, 4, 2, 5)),
    "gather by values": lambda p, y: p.call("gather", y, 1, p.call("argmax", y, 1, True)),
    "take_along_dim": lambda p, y: p.call("take_along_dim", y, table(4, 1).view(1, 1, 2, 1).expand(1, 4, 2, 5), 2),
    "index_put": lambda p, y: p.call("index_put", y, [None, None, table(0, 3)], table(7.0).double()),
    "index_put of maps": lambda p, y: p.call(
        "index_put", y, [None, None, table(1, 4)], p.call("slice", p.call("tanh", y), 2, 0, 2)
    ),
    "index_put of rows and columns": lambda p, y: p.call(
        "index_put", y, [None, None, table(1, 4)[:, None], table(0, 1, 2)], table(7.0).double()
    ),
    "index_put by a mask": lambda p, y: p.call("index_put", y, [p.call("gt.Scalar", y, 2.0)], table(0.0).double()[0]),
    "index_copy": lambda p, y: p.call("index_copy", y, 3, table(4, 2, 0), p.call("slice", y, 3, 0, 3)),
    "index_add": lambda p, y: p.call("index_add", y, 2, table(1, 2), p.call("slice", y, 2, 0, 2), alpha=1),
    "index_fill": lambda p, y: p.call("index_fill.int_Scalar", y, 2, table(1, 5), 0.0),
    "scatter of rows": lambda p, y: p.call(
        "scatter.src", y, 2, table(4, 1).view(1, 1, 2, 1).expand(1, 4, 2, 5), p.call("slice", y, 2, 0, 2)
    ),
    "scatter_add of channels": lambda p, y: p.call(
        "scatter_add", y, 1, table(3, 1).view(1, 2, 1, 1).expand(1, 2, 6, 5), p.call("slice", y, 1, 0, 2)
    ),
    "fft": lambda p, y: p.call("abs", p.call("fft_rfft2", y)),
    "fft of rows": lambda p, y: p.call("fft_irfft", p.call("fft_rfft", y), 5),
    "attention": lambda p, y: attention(p, y),
    "attention with a mask": lambda p, y: attention(p, y, p.rand(6, 6)),
    "encoder layer": lambda p, y: encoder(p, y),
    "lstm both ways": lambda p, y: recurrent(p, y, True),
    "group norm below autograd": lambda p, y: p.call("native_group_norm", y, None, None, 1, 4, 30, 2, 1e-5)[0],
    "layer norm below autograd": lambda p, y: p.call("native_layer_norm", y, [5], None, None, 1e-5)[0],
    "_convolution": lambda p, y: p.call(
        "_convolution", y, p.rand(2, 4, 3, 3), None, [2, 1], [1, 0], [1, 1], False, [0, 0], 1, False, False, True, True
    ),
    "_convolution_mode": lambda p, y: p.call(
        "_convolution_mode", y, p.rand(2, 4, 3, 3), None, [1, 1], "same", [1, 2], 1
    ),
    "max_pool2d_with_indices": lambda p, y: p.call("max_pool2d_with_indices", y, [3, 2], [1, 2], [1, 0])[0],
    "_adaptive_avg_pool2d": lambda p, y: p.call("_adaptive_avg_pool2d", y, [4, 2]),
    "convolution in windows": lambda p, y: in_windows(p, y, lambda w: p.call(
        "conv2d", w, p.rand(2, 4, 3, 3), None, [1, 1], [1, 1])),
    "strided convolution in windows": lambda p, y: in_windows(p, y, lambda w: p.call(
        "conv2d", w, p.rand(2, 4, 2, 3), None, [2, 1], [0, 1])),
    "pool in windows": lambda p, y: in_windows(p, y, lambda w: p.call("max_pool2d", w, [2, 3], [1, 1], [1, 1])),
    "meshgrid": lambda p, y: p.call("meshgrid", [p.call("mean.dim", y, [0, 1, 3]), p.rand(3)])[0],
}  # fmt: skip


def in_windows(p, y, then):
    """Windows of 3×5 in the batch, then all of them again as one map."""
    n, c, h, w = p.of(y).shape
    parts = p.call("permute", p.call("view", y, [n, c, h // 3, 3, w]), [0, 2, 1, 3, 4])
    made = then(p.call("reshape", parts, [n * (h // 3), c, 3, w]))
    shape = list(p.of(made).shape)
    parts = p.call("permute", p.call("view", made, [n, h // 3, *shape[1:]]), [0, 2, 1, 3, 4])
    return p.call("reshape", parts, [n, shape[1], h // 3 * shape[2], shape[3]])


def attention(p, y, mask=None):
    """Along rows: channels are the batch, columns the features."""
    return p.call("_scaled_dot_product_attention_math", y, y, y, mask)[0]


def encoder(p, y):
    x = p.call("select.int", y, 1, 0)
    w = [p.rand(*s) for s in ((15, 5), (15,), (5, 5), (5,))]
    norms = [p.rand(5) for _ in range(4)]
    ffn = [p.rand(*s) for s in ((8, 5), (8,), (5, 8), (5,))]
    x = p.call("mean.dim", p.call("unsqueeze", x, -1), [2])  # rows as a sequence of one feature
    x = p.call("expand", x, [1, 6, 5])
    return p.call("_transformer_encoder_layer_fwd", x, 5, 1, *w, True, True, 1e-5, *norms, *ffn)


def recurrent(p, y, both):
    x = p.call("permute", p.call("mean.dim", y, [0, 3], True), [0, 2, 1, 3])
    x = p.call("flatten.using_ints", x, 2)  # 1 × rows × channels
    n = 1 + both
    w = [v for _ in range(n) for v in (p.rand(12, 4), p.rand(12, 3), p.rand(12), p.rand(12))]
    states = [p.rand(n, 1, 3), p.rand(n, 1, 3)]
    return p.call("lstm.input", x, states, w, True, 1, 0.0, False, both, True)[0]


@pytest.mark.parametrize("name", CASES)
def test_operators(name):
    from tests.engine.readers.judges.programs import judge

    p, y = started()
    judge(p, CASES[name](p, y))


@pytest.mark.parametrize(("frame", "hop", "width"), [(8, 3, 8), (8, 4, 5), (6, 2, 6)])
@pytest.mark.parametrize("hann", [False, True])
@pytest.mark.parametrize("centre", [False, True])
def test_spectrograms(frame, hop, width, hann, centre):
    """By autograd: the first weight of a Hann window is zero."""
    import torch

    from tests.engine.readers.judges.programs import Program, Ref, judge, reads_by_gradient

    p = Program((1, 1, 30))
    window = torch.hann_window(width, dtype=torch.float64) if hann else p.rand(width)
    x = p.call("flatten.using_ints", p.call("conv1d", Ref(0), p.rand(1, 1, 2)), 1)
    if centre:
        x = p.call("reflection_pad1d", x, [frame // 2, frame // 2])
    out = p.call("stft", x, frame, hop, width, window, False, True, True)
    judge(p, p.call("abs", out), reads_by_gradient)


def test_signals_of_spectrograms():
    from tests.engine.readers.judges.programs import Program, Ref, judge

    p = Program((1, 1, 12))
    frames = p.call("conv1d", Ref(0), p.rand(10, 1, 3))
    pairs = p.call("permute", p.call("unflatten.int", frames, 1, [5, 2]), [0, 1, 3, 2])
    spectrum = p.call("view_as_complex", p.call("contiguous", pairs))
    judge(p, p.call("istft", spectrum, 8, 3, 8, p.rand(8)))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [([2, 2], [2, 2], [0, 0]), ([3, 2], [2, 1], [1, 0]), ([3, 3], [3, 3], [0, 0]), ([3, 3], [2, 2], [1, 1])],
)
def test_unpooling_sees_what_its_windows_see(kernel, stride, padding):
    """Which entry a pool takes depends on values: what changes of single pixels change in any of many images."""
    import numpy as np
    import torch

    import rfscale as rf

    class Unpooled(torch.nn.Module):
        def forward(self, x):
            found, at = torch.nn.functional.max_pool2d(x, kernel, stride, padding, return_indices=True)
            return torch.nn.functional.max_unpool2d(found, at, kernel, stride, padding, output_size=(6, 5))

    net = rf.load(Unpooled(), example_input=(1, 1, 6, 5))
    read = torch.zeros(30, 30, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for value in (-1, 2) * 60:
        x = torch.rand(1, 1, 6, 5, generator=generator)
        changed = x.reshape(1, 30).repeat(30, 1).fill_diagonal_(value).view(30, 1, 6, 5)
        read |= (Unpooled()(changed) != Unpooled()(x)).flatten(1)
    for number, entry in enumerate(np.ndindex(6, 5)):
        footprint = rf.footprint(net, net.outputs[0], entry, (6, 5)).values
        assert not (read[:, number].view(6, 5).numpy() & ~footprint).any()
        if kernel == stride:  # what lies in its window, and nothing where no window is
            np.testing.assert_array_equal(footprint, read[:, number].view(6, 5).numpy())


def test_unpooling_to_another_size_is_not_known():
    import torch

    import rfscale as rf

    class Unpooled(torch.nn.Module):
        def forward(self, x):
            found, at = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
            return torch.nn.functional.max_unpool2d(found, at, 2, output_size=(6, 5))

    net = rf.load(Unpooled(), example_input=(1, 1, 6, 4))
    assert list(net.left_out.values()) == ["it unpools to another size than that of the map that was pooled"]


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "logcumsumexp"])
@pytest.mark.parametrize("dim", [2, -1, 1])
def test_cumulative_operators_read_what_is_before(name, dim):
    from tests.engine.readers.judges.programs import judge

    p, y = started()
    out = p.call(name, y, dim)
    net = judge(p, p.call("conv2d", out[0] if isinstance(out, list) else out, p.rand(2, 4, 2, 3), None, [1, 2], [1, 1]))
    assert [layer.op for layer in net.layers].count("cumulative") == (dim != 1)


def test_recurrent_layers_one_way_read_what_is_before():
    from tests.engine.readers.judges.programs import judge

    p, y = started()
    judge(p, recurrent(p, y, False))


@pytest.mark.parametrize("way", ["causal", "before", "after"])
def test_causal_attention(way):
    """By autograd: a NaN passes a mask."""
    import torch

    from tests.engine.readers.judges.programs import Program, Ref, judge, reads_by_gradient

    p = Program((1, 1, 9))
    y = p.call("transpose.int", p.call("conv1d", Ref(0), p.rand(4, 1, 2)), 1, 2)
    ones = torch.ones(8, 8)
    mask = {"causal": None, "before": ones.tril() > 0, "after": ones.triu().log()}[way]
    if way == "after":
        mask = mask.double()
    x = p.call("unsqueeze", y, 1)
    judge(p, p.call("scaled_dot_product_attention", x, x, x, mask, 0.0, way == "causal"), reads_by_gradient)
