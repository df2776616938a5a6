"""Entries that constants leave out, judged by gradients of the real module in float64."""

import itertools
import warnings

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.readers.tensors.operators.spatial_ops import rectangles

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn
pytestmark = pytest.mark.torch


class Case(nn.Module):
    """A 3×3 convolution, and a function of what it makes and of another one."""

    def __init__(self, axes, forward):
        super().__init__()
        kind = {1: nn.Conv1d, 2: nn.Conv2d}[axes]
        self.first, self.second = kind(2, 4, 3, padding=1), kind(4, 4, 3, padding=1)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.weight = nn.Parameter(torch.zeros(4, *[1] * axes))
        self.act = forward

    def forward(self, x):
        return self.act(self, x)


def tokens(m, x):
    return m.first(x).flatten(2).transpose(1, 2)


def mapped(y, x):
    return y.transpose(1, 2).reshape(1, 4, *x.shape[2:])


def attended(scores, y, x):
    return mapped(scores.softmax(-1) @ y, x)


def numbers(n, x):
    return torch.arange(n, device=x.device)


def lower(x):
    n = x.shape[2:].numel()
    return torch.ones(n, n, dtype=torch.bool, device=x.device).tril()


def causal_by_sum(m, x):
    y = tokens(m, x)
    n = y.shape[1]
    mask = torch.triu(torch.full((n, n), float("-inf"), dtype=x.dtype, device=x.device), 1)
    return attended(y @ y.transpose(1, 2) / 2 + mask, y, x)


def causal_by_filling(m, x):
    y = tokens(m, x)
    return attended((y @ y.transpose(1, 2)).masked_fill(~lower(x), -1e9), y, x)


def causal_by_choice(m, x):
    y = tokens(m, x)
    low = torch.tensor(float("-inf"), dtype=y.dtype)
    return attended(torch.where(lower(x), y @ y.transpose(1, 2), low), y, x)


def causal_heads(m, x):
    y = tokens(m, x)
    mask = nn.Transformer.generate_square_subsequent_mask(y.shape[1]).to(y.dtype)
    return mapped(m.attention(y, y, y, attn_mask=mask)[0], x)


def causal_heads_alone(m, x):
    y = tokens(m, x)
    return mapped(m.attention(y, y, y, attn_mask=~lower(x), need_weights=False)[0], x)


def causal_layer(m, x):
    return mapped(m.layer(tokens(m, x), src_mask=~lower(x)), x)


def padded_keys(m, x):
    y = tokens(m, x)
    mask = numbers(y.shape[1], x)[None] >= 10
    return mapped(m.attention(y, y, y, key_padding_mask=mask)[0], x)


def band(m, x):
    y = tokens(m, x)
    i = numbers(y.shape[1], x)
    step = i - i[:, None]
    return mapped(F.scaled_dot_product_attention(y, y, y, attn_mask=(step >= -3) & (step <= 1)), x)


def retention(m, x):
    y = tokens(m, x)
    i = numbers(y.shape[1], x)
    step = (i[:, None] - i).to(y.dtype)
    decay = torch.where(step >= 0, 0.9 ** step.clamp(min=0), torch.zeros((), dtype=y.dtype))
    return mapped((y @ y.transpose(1, 2)) * decay @ y, x)


def rows_in_blocks(m, x):
    y = m.first(x).permute(0, 2, 3, 1)[0]
    i = numbers(x.shape[3], x) // 4
    scores = (y @ y.transpose(1, 2)).masked_fill(i[:, None] != i, -1e9)
    return (scores.softmax(-1) @ y)[None].permute(0, 3, 1, 2)


def neighbours(m, x):
    y = tokens(m, x)
    width = x.shape[3]
    i = numbers(y.shape[1], x)
    row, column = i // width, i % width
    near = ((row[:, None] - row).abs() <= 2) & ((column[:, None] - column).abs() <= 1)
    return attended((y @ y.transpose(1, 2)).masked_fill(~near, -1e9), y, x)


def windows(t, w):
    b, h, width, c = t.shape
    return t.view(b, h // w, w, width // w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, c)


def shifted_windows(m, x):
    """As Swin has them; here what a mask leaves out has no weight at all."""
    h, w = x.shape[2:]
    part = torch.zeros(1, h, w, 1, device=x.device)
    sides = [(slice(0, -4), slice(-4, -2), slice(-2, None))] * 2
    for number, (rows, columns) in enumerate(itertools.product(*sides)):
        part[:, rows, columns] = number
    part = windows(part, 4)[..., 0]
    mask = torch.zeros(part.shape[0], 16, 16, dtype=x.dtype, device=x.device)
    mask = mask.masked_fill(part[:, None] != part[:, :, None], float("-inf"))
    y = windows(torch.roll(m.first(x).permute(0, 2, 3, 1), (-2, -2), (1, 2)), 4)
    y = (y @ y.transpose(1, 2) + mask).softmax(-1) @ y
    y = y.view(1, h // 4, w // 4, 4, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(1, h, w, 4)
    return torch.roll(y, (2, 2), (1, 2)).permute(0, 3, 1, 2)


def half_of_each(m, x):
    y = m.first(x)
    mask = torch.zeros(x.shape[2:], dtype=torch.bool, device=x.device)
    mask[:5] = True
    return torch.where(mask, y, m.second(y))


def a_hole(m, x):
    mask = torch.ones(x.shape[2:], dtype=x.dtype, device=x.device)
    mask[3:6, 2:7] = 0
    return m.second(m.first(x) * mask)


def filled_with_numbers(m, x):
    mask = torch.zeros(x.shape[2:], dtype=torch.bool, device=x.device)
    mask[:, 4:] = True
    return m.second(m.first(x).masked_fill(mask, 2.0))


def state_of_zeros(m, x):
    """One step of a recurrent cell: what is multiplied by the state is nothing."""
    y = m.first(x)
    state = torch.zeros_like(y)
    gate = m.second(m.second(y)).sigmoid()
    return m.second(y) + gate * state


def edges_of_one_level(m, x):
    """Two levels joined, as anchors are: those too near to the edge of the image are left out."""
    y = m.first(x)
    levels = [y, F.avg_pool2d(y, 2)]
    inside = torch.zeros(x.shape[2:], dtype=torch.bool, device=x.device)
    inside[1:-1, 1:-1] = True
    valid = torch.cat([inside.flatten(), torch.ones(levels[1].shape[2:].numel(), dtype=torch.bool, device=x.device)])
    rows = torch.cat([level.flatten(2) for level in levels], 2).transpose(1, 2)
    kept = valid[None, :, None] * rows
    first = kept[:, : inside.numel()].transpose(1, 2).unflatten(2, x.shape[2:])
    return m.second(first)


def trained_zeros(m, x):
    """Zeros of a parameter are no mask: training changes them. The judge has others in their place."""
    y = m.first(x)
    return y + m.weight * m.second(y)


def queries_without_keys(m, x):
    """All keys of two queries are as far below zero: softmax takes all of them."""
    y = tokens(m, x)
    kept = lower(x)
    kept[6:8] = False
    return attended((y @ y.transpose(1, 2)).masked_fill(~kept, -1e9), y, x)


def numbers_for_each_query(m, x):
    """A mask whose rows differ in their largest numbers."""
    y = tokens(m, x)
    n = y.shape[1]
    mask = torch.zeros(n, n, dtype=x.dtype, device=x.device).masked_fill(~lower(x), -1e4)
    mask[3:6] -= 1e5
    mask[9, :4] += 1e6
    return mapped(F.scaled_dot_product_attention(y, y, y, attn_mask=mask), x)


def a_head_without_keys(m, x):
    y = tokens(m, x)
    heads = y.unflatten(-1, (2, 2)).transpose(1, 2)
    mask = torch.stack([lower(x).to(x.dtype) - 1, -torch.ones_like(lower(x), dtype=x.dtype)]) * 1e5
    out = (heads @ heads.transpose(2, 3) + mask).softmax(-1) @ heads
    return mapped(out.transpose(1, 2).flatten(2), x)


def unused_bias(m, x):
    y = tokens(m, x)
    mask = torch.zeros(1, y.shape[1], y.shape[1], dtype=x.dtype, device=x.device).masked_fill(~lower(x), -1e9)
    return attended(torch.baddbmm(mask, y, y.transpose(1, 2), beta=0), y, x)


def added_to_masked_scores(m, x):
    y = tokens(m, x)
    scores = (y @ y.transpose(1, 2)).masked_fill(~lower(x), -1e9) + m.weight.flatten()[0]
    return attended(scores * 2, y, x)


ONE = [causal_by_sum, causal_by_filling, causal_by_choice, causal_heads, causal_heads_alone, causal_layer]
ONE += [padded_keys, band, retention, queries_without_keys, numbers_for_each_query, a_head_without_keys, unused_bias]
ONE += [added_to_masked_scores]
TWO = [rows_in_blocks, neighbours, shifted_windows, half_of_each, a_hole, filled_with_numbers, state_of_zeros]
TWO += [trained_zeros, edges_of_one_level]


def judged(module, size, entry):
    """The pixels on which an entry depends."""
    found = np.zeros(size, bool)
    for seed in range(2):
        torch.manual_seed(seed)
        for p in module.parameters():
            p.data = torch.randn(p.shape, dtype=torch.float64)
        x = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
        out = module(x)[(0, slice(None), *entry)]
        (gradient,) = torch.autograd.grad((out * torch.randn_like(out)).sum(), x)
        found |= (gradient != 0).any(1)[0].numpy()
    return found


@pytest.mark.parametrize("act", [*ONE, *TWO], ids=lambda act: act.__name__)
def test_entries_that_a_constant_leaves_out_are_not_read(act):
    size = (16,) if act in ONE else (8, 12)
    module = Case(len(size), act).eval()
    net = rf.load(module, example_input=(1, 2, *size))
    assert not net.left_out
    (name,) = net.outputs
    module = module.double()
    for entry in list(itertools.product(*(range(0, n, 3) for n in size))):
        assert np.array_equal(rf.footprint(net, name, entry, size).values, judged(module, size, entry)), entry


def test_masks_that_no_layer_expresses_end_the_analysis():
    def scattered(m, x):
        y = tokens(m, x)
        i = numbers(y.shape[1], x)
        return attended((y @ y.transpose(1, 2)).masked_fill((i[:, None] * i) % 3 == 1, -1e9), y, x)

    def checked(m, x):
        i = numbers(x.shape[3], x)
        return m.second(m.first(x) * ((i[: x.shape[2], None] + i) % 2).to(x.dtype))

    def some_keys_of_constant_queries(m, x):
        y = tokens(m, x)
        scores = m.weight.flatten()[None, None] @ y.transpose(1, 2)
        return (scores.masked_fill(numbers(y.shape[1], x) > 40, float("-inf")).softmax(-1) @ y).transpose(1, 2)

    for act in (scattered, checked, some_keys_of_constant_queries):
        with pytest.warns(rf.PartlyReadWarning):
            net = rf.load(Case(2, act), example_input=(1, 2, 8, 12))
        assert len(net.left_out) == 1, act.__name__


AFTER = {
    "no softmax": lambda scores: scores,
    "tanh": lambda scores: scores.tanh(),
    "a sign": lambda scores: (-scores).softmax(-1),
    "a square": lambda scores: (scores * scores).softmax(-1),
    "a bound": lambda scores: scores.clamp(min=-5).softmax(-1),
    "a scale": lambda scores: (scores * 1e-12).softmax(-1),
    "a large number": lambda scores: (scores + 1e9).softmax(-1),
    "softmax of queries": lambda scores: scores.softmax(-2),
    "softmax twice": lambda scores: scores.softmax(-1).softmax(-1),
    "a sum": lambda scores: scores.softmax(-1) + 1,
    "sums along keys": lambda scores: scores.softmax(-1).cumsum(-1),
    "keys exchanged": lambda scores: scores.softmax(-1).flip(-1),
    "keys moved": lambda scores: scores.softmax(-1).roll(1, -1),
    "keys in another order": lambda scores: scores.softmax(-1).unflatten(-1, (4, 4)).transpose(-1, -2).flatten(-2),
    "keys in another order, first": lambda scores: (
        scores.softmax(-1).mT.unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2).mT
    ),
    "keys as queries": lambda scores: scores.softmax(-1).transpose(1, 2),
    "sums of weights": lambda scores: scores.softmax(-1).sum(-1, keepdim=True) * torch.ones(16, dtype=scores.dtype),
    "a norm": lambda scores: F.layer_norm(scores, scores.shape[-1:]).softmax(-1),
    "zeros before softmax": lambda scores: (scores * 0).softmax(-1),
}


@pytest.mark.parametrize("low", [-1e9, float("-inf"), 0], ids=str)
@pytest.mark.parametrize("after", AFTER)
def test_what_may_give_weight_to_masked_scores_ends_the_analysis_or_is_read(after, low):
    def act(m, x):
        y = tokens(m, x)
        scores = y @ y.transpose(1, 2)
        masked = scores * lower(x).to(x.dtype) if low == 0 else scores.masked_fill(~lower(x), low)
        return mapped(AFTER[after](masked) @ y, x)

    if low == 0 and after in ("no softmax", "a scale"):
        return  # zeros stay zeros
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rf.PartlyReadWarning)
        net = rf.load(Case(1, act), example_input=(1, 2, 16))
    if net.left_out or (low == float("-inf") and after in ("a scale", "a large number")):
        return
    module = Case(1, act).eval().double()
    for entry in range(0, 16, 3):
        at = min(entry, net.map_sizes()[net.outputs[0]][0] - 1)  # one entry, where all read the same
        found = rf.footprint(net, net.outputs[0], (at,), (16,)).values
        assert np.array_equal(found, judged(module, (16,), (entry,))), entry


def test_masked_scores_that_a_model_returns():
    def act(m, x):
        y = tokens(m, x)
        return m.attention(y, y, y, attn_mask=~lower(x))

    net = rf.load(Case(1, act), example_input=(1, 2, 16))
    out, scores = net.outputs
    assert not net.left_out
    assert [int(rf.footprint(net, scores, (e,), (16,)).sum()) for e in (0, 7, 15)] == [2, 9, 16]
    assert np.array_equal(rf.footprint(net, out, (7,), (16,)), rf.footprint(net, scores, (7,), (16,)))


def test_masks_by_chance_leave_all():
    def act(m, x):
        y = m.first(x)
        return y + torch.where(torch.rand(x.shape[2:], device=x.device) > 0.5, m.second(y), y)

    net = rf.load(Case(2, act), example_input=(1, 2, 8, 12))
    assert int(rf.footprint(net, net.outputs[0], (4, 6), (8, 12)).sum()) == 25


@pytest.mark.parametrize(
    "act", [causal_by_sum, causal_by_filling, band, half_of_each, a_hole], ids=lambda a: a.__name__
)
def test_exported_programs_leave_out_the_same(act):
    size = (16,) if act in ONE else (8, 12)
    module = Case(len(size), act).eval()
    read = rf.load(module, example_input=(1, 2, *size))
    exported = rf.load(torch.export.export(module, (torch.zeros(1, 2, *size),)))
    for entry in itertools.product(*(range(0, n, 3) for n in size)):
        both = [rf.footprint(net, net.outputs[0], entry, size).values for net in (read, exported)]
        assert np.array_equal(*both), entry


def test_what_is_kept_of_a_map_is_made_of_rectangles():
    kept = np.random.default_rng(0).random((9, 7)) < 0.4
    found = np.zeros_like(kept, int)
    for (top, bottom), (left, right) in rectangles(kept):
        found[top:bottom, left:right] += 1
    assert np.array_equal(found, kept.astype(int))


def test_an_exported_mask_that_is_written_in_place_keeps_the_programs_own():
    class Written(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3, padding=1)
            self.register_buffer("mask", torch.zeros(8, 12))

        def forward(self, x):
            mask = self.mask.clone()
            mask[2:6].fill_(1)
            return self.conv(x) * mask

    program = torch.export.export(Written(), (torch.zeros(1, 2, 8, 12),))
    net = rf.load(program)
    assert [int(rf.footprint(net, net.outputs[0], (y, 6), (8, 12)).sum()) for y in (1, 2, 5, 6)] == [0, 9, 9, 0]
    assert not program.buffers or not any(b.any() for b in program.buffers())


@pytest.mark.onnx
@pytest.mark.parametrize("shape", [(1,), (4, 1, 1), (1, 4, 8, 12)])
def test_zeros_of_a_file_are_weights_before_training(shape, tmp_path):
    pytest.importorskip("onnx")
    module = Case(2, trained_zeros).eval()
    module.weight.data = torch.zeros(shape)
    file = str(tmp_path / "model.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, 2, 8, 12),), file, dynamo=False)
    net = rf.load(file)
    assert int(rf.footprint(net, net.outputs[0], (4, 6), (8, 12)).sum()) == 25


@pytest.mark.onnx
@pytest.mark.parametrize(
    "act",
    [causal_by_sum, causal_by_choice, causal_heads, padded_keys, retention, neighbours, shifted_windows, a_hole],
    ids=lambda act: act.__name__,
)
def test_onnx_files_leave_out_the_same(act, tmp_path):
    pytest.importorskip("onnx")
    size = (16,) if act in ONE else (8, 12)
    module = Case(len(size), act).eval()
    read = rf.load(module, example_input=(1, 2, *size))
    file = str(tmp_path / "model.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, 2, *size),), file, dynamo=False)
    found = rf.load(file)
    assert not found.left_out
    for entry in itertools.product(*(range(0, n, 3) for n in size)):
        both = [rf.footprint(net, net.outputs[0], entry, size).values for net in (read, found)]
        assert np.array_equal(*both), entry
