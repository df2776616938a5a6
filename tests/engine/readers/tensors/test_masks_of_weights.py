"""Scores that numbers replace, keys before queries, and masks after softmax, judged by gradients of the real module."""

import inspect
import warnings

import numpy as np
import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn
pytestmark = pytest.mark.torch
N = 14


class Attention(nn.Module):
    """Queries, keys, values and numbers for each query, which see windows of different sizes: keys with holes."""

    def __init__(self, forward):
        super().__init__()
        self.query, self.key = nn.Conv1d(2, 4, 3, padding=1), nn.Conv1d(2, 4, 1, stride=2)
        self.value, self.other = nn.Conv1d(2, 4, 5, 2, 2), nn.Conv1d(2, 3, 7, 2, 3)
        self.zeros = nn.Parameter(torch.zeros(7, 7))
        self.at = forward

    def forward(self, x):
        parts = [self.query(x)[..., ::2], self.key(x), self.value(x), self.other(x)]
        if "zeros" in inspect.signature(self.at).parameters:
            return self.at(*parts, zeros=self.zeros)
        return self.at(*parts)


def numbers(t):
    return torch.arange(t.shape[-1], device=t.device)


def eye(t):
    return torch.eye(t.shape[-1], dtype=torch.bool, device=t.device)


def lower(t):
    return torch.ones(t.shape[-1], t.shape[-1], dtype=torch.bool, device=t.device).tril()


def scores(q, k):
    return q.mT @ k


def heads(t):
    return t.unflatten(1, (2, 2)).mT


def weighed(w, v):
    return v @ w.mT


def not_itself(q, k, v, _):
    return weighed(scores(q, k).masked_fill(eye(q), -50).softmax(-1), v)


def causal_replaced(q, k, v, _):
    return weighed(torch.where(lower(q), scores(q, k), torch.ones((), dtype=q.dtype)).softmax(-1), v)


def zeros_before_softmax(q, k, v, _):
    return weighed((scores(q, k) * lower(q).to(q.dtype)).softmax(-1), v)


def keys_first(q, k, v, _):
    return torch.einsum("bts,bct->bcs", torch.einsum("bct,bcs->bts", k, q).softmax(1), v)


def keys_first_linear(q, k, v, _):
    return v @ (k.mT @ q) / 7


def keys_first_masked(q, k, v, _):
    t = (k.mT @ q).masked_fill(~lower(q).mT, -torch.inf)
    return v @ t.softmax(1)


def decaying(q, k, v, other):
    """As the local attention of Demucs has it: keys first, a penalty for distance, no key of its own."""
    t = torch.einsum("bct,bcs->bts", k, q) / 2
    i = numbers(q).to(q.dtype)
    away = -torch.arange(1, 4, device=q.device)[:, None, None] * (i[:, None] - i).abs()
    t = t + torch.einsum("fts,bfs->bts", away.to(q.dtype), other.sigmoid())
    t.masked_fill_(eye(q), -50)
    return torch.einsum("bts,bct->bcs", t.softmax(1), v)


def something_of_each_query(q, k, v, other):
    t = scores(q, k) * other[:, :1].mT + other[:, 1:2].mT
    i = numbers(q)
    return weighed(t.masked_fill(i > i[:, None] + 1, -torch.inf).softmax(-1), v)


def after_softmax(q, k, v, _):
    return weighed(scores(q, k).softmax(-1) * lower(q).to(q.dtype), v)


def after_softmax_scaled_again(q, k, v, _):
    w = scores(q, k).softmax(-1).masked_fill(~lower(q), 0)
    return weighed(w * w.sum(-1, keepdim=True), v)


def blocks_after_softmax(q, k, v, _):
    i = numbers(q) // 3
    mask = i[:, None] == i
    return weighed(torch.where(mask, scores(q, k).softmax(-1), torch.zeros((), dtype=q.dtype)), v)


def values_as_keys(q, k, v, _):
    """What the weights read anyway is no question of the mask."""
    i = numbers(q)
    mask = ((i[:, None] * i) % 3 != 1) | (i == 0)
    return weighed(scores(q, v).softmax(-1) * mask.to(q.dtype), v.sigmoid())


def keys_first_after_softmax(q, k, v, _):
    return v @ ((k.mT @ q).softmax(1) * lower(q).mT.to(q.dtype))


def subtracted(q, k, v, _):
    return weighed((scores(q, k) - 1e9 * (~lower(q)).to(q.dtype)).softmax(-1), v)


def subtracted_from(q, k, v, _):
    return weighed(torch.rsub(-scores(q, k), -1e9 * (~lower(q)).to(q.dtype)).softmax(-1), v)


def whole_numbers_added(q, k, v, _):
    return weighed((scores(q, k) + (lower(q).long() - 1) * 1_000_000).softmax(-1), v)


def added_many_times(q, k, v, _):
    return weighed(torch.add(scores(q, k), (~lower(q)).to(q.dtype), alpha=-1e9).softmax(-1), v)


def added_product(q, k, v, _):
    one = torch.ones((), dtype=q.dtype, device=q.device)
    return weighed(torch.addcmul(scores(q, k), (~lower(q)).to(q.dtype), one, value=-1e9).softmax(-1), v)


def bounded(q, k, v, _):
    return weighed(torch.minimum(scores(q, k), (lower(q).to(q.dtype) * 2 - 1) * 1e9).softmax(-1), v)


def filled_with_zeros(q, k, v, _):
    """Without softmax a score of zero has no weight."""
    return weighed(scores(q, k).masked_fill(~lower(q), 0), v)


def only_before(q, k, v, _):
    """The first query has no key, and makes nothing."""
    return weighed(scores(q, k) * lower(q).tril(-1).to(q.dtype), v)


def decaying_weights(q, k, v, _):
    i = numbers(q).to(q.dtype)
    return weighed(scores(q, k).softmax(-1) * (lower(q) * 0.9 ** (i[:, None] - i)), v)


def averages(q, k, v, _):
    return v @ torch.zeros(7, 7, dtype=q.dtype, device=q.device).masked_fill(~lower(q), -torch.inf).softmax(-1).mT


def constant_sums(q, k, v, _):
    return F.linear(v, lower(q).to(q.dtype)) + torch.bmm(v, eye(q)[None].to(q.dtype))


def einsum_with_a_mask(q, k, v, _):
    return torch.einsum("bij,ij,bcj->bci", scores(q, k), lower(q).to(q.dtype), v)


def heads_of_two_masks(q, k, v, _):
    mask = torch.stack([lower(q), lower(q).tril(-2) | eye(q)])
    return ((heads(q) @ heads(k).mT).masked_fill(~mask, -torch.inf).softmax(-1) @ heads(v)).mT.flatten(1, 2)


def einsum_of_a_part(q, k, v, _):
    kept = (numbers(q) > 3).to(q.dtype)
    return torch.einsum("bcj,j->bc", v, kept)[..., None] + torch.einsum("bcj,j->bcj", k, kept)


ACTS = [not_itself, causal_replaced, zeros_before_softmax, keys_first, keys_first_linear, keys_first_masked, decaying]
ACTS += [something_of_each_query, after_softmax, after_softmax_scaled_again, blocks_after_softmax, values_as_keys]
ACTS += [keys_first_after_softmax, subtracted, subtracted_from, whole_numbers_added, added_many_times, added_product]
ACTS += [bounded]
ACTS += [filled_with_zeros, only_before, decaying_weights, averages, constant_sums, einsum_with_a_mask]
ACTS += [einsum_of_a_part, heads_of_two_masks]


def judged(module, entry):
    """The pixels on which an entry depends."""
    found = np.zeros(N, bool)
    for seed in range(2):
        torch.manual_seed(seed)
        for p in module.parameters():
            p.data = torch.randn(p.shape, dtype=torch.float64) / 2
        x = torch.randn(1, 2, N, dtype=torch.float64, requires_grad=True)
        out = module(x)[0, :, entry]
        (gradient,) = torch.autograd.grad((out * torch.randn_like(out)).sum(), x)
        found |= (gradient != 0).any(1)[0].numpy()
    return found


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_what_weights_and_values_read(act):
    module = Attention(act).eval()
    net = rf.load(module, example_input=(1, 2, N))
    assert not net.left_out
    (name,) = net.outputs
    module = module.double()
    for entry in range(7):
        found = rf.footprint(net, name, (entry,), (N,)).values
        assert np.array_equal(found, judged(module, entry)), entry


def changed_keys(q, k, v, _):
    return weighed(scores(q, k).flip(-1).masked_fill(~lower(q), -torch.inf).softmax(-1), v)


def changed_weights(q, k, v, _):
    return weighed(scores(q, k).softmax(-1).roll(2, -1) * lower(q).to(q.dtype), v)


def all_of_a_query(q, k, v, _):
    mask = lower(q).tril(-1)
    return weighed(scores(q, k).masked_fill(~mask, 1.0).softmax(-1), v)


def all_weights_of_a_query(q, k, v, _):
    return weighed(scores(q, k).softmax(-1) * lower(q).tril(-1).to(q.dtype), v)


def other_weights(q, k, v, _):
    return weighed(scores(q, k).softmax(-1).masked_fill(eye(q), 0.5), v)


def two_sums(q, k, v, _):
    """A matrix of the image's own, in blocks."""
    t = scores(q, k).mean((1, 2), keepdim=True) * torch.ones(7, 7, dtype=q.dtype, device=q.device)
    return v @ (t * lower(q).to(q.dtype)).view(1, 49).view(1, 7, 7)


def scattered(q, k, v, _):
    i = numbers(q)
    mask = ((i[:, None] * i) % 3 != 1) | (i == 0)
    return weighed(scores(q, k).softmax(-1) * mask.to(q.dtype), v)


def changed_queries(q, k, v, _):
    return weighed(scores(q, k).flip(1).masked_fill(~lower(q), -torch.inf).softmax(-1), v)


def masked_twice(q, k, v, _):
    i = numbers(q)
    weights = scores(q, k).masked_fill(~lower(q), -torch.inf).softmax(-1)
    return weighed(weights * (i[:, None] - i < 3).to(q.dtype), v)


def weights_from_training(q, k, v, _, *, zeros):
    return weighed(torch.where(lower(q), scores(q, k).softmax(-1), zeros), v)


def far_above_the_others(q, k, v, _):
    return weighed(scores(q, k).masked_fill(~lower(q), 1e9).softmax(-1), v)


def weights_of_entries(q, k, v, _):
    weights = q[:, :1].masked_fill(numbers(q) > 3, -torch.inf).softmax(-1)
    return (weights * v).sum(-1, keepdim=True)


def weights_of_entries_by_a_sum(q, k, v, _):
    weights = (q[:, :1] - 1e9 * (numbers(q) > 3).to(q.dtype)).softmax(-1)
    return v @ weights.mT


def einsum_of_four(q, k, v, _):
    return torch.einsum("bci,bcj,ij,bdj->bdi", q, k, lower(q).to(q.dtype), v)


def one_head_of_two_masks(q, k, v, _):
    mask = torch.stack([lower(q), lower(q).mT])
    return ((heads(q) @ heads(k).mT).masked_fill(~mask, -torch.inf).softmax(-1) @ heads(v))[:, 0].mT


def scores_of_one_head(q, k, v, _):
    mask = torch.stack([lower(q), torch.ones_like(lower(q))])
    return weighed(((heads(q) @ heads(k).mT) * mask.to(q.dtype))[:, 0], v)


def one_channel(q, k, v, _):
    kept = torch.stack([numbers(q) > 3, numbers(q) < 3, numbers(q) == 0, numbers(q) >= 0])
    return (q * kept.to(q.dtype))[:, 0:1]


ENDS = [two_sums, changed_keys, changed_weights, all_of_a_query, all_weights_of_a_query, other_weights, scattered]
ENDS += [changed_queries, masked_twice, weights_from_training, far_above_the_others, weights_of_entries]
ENDS += [weights_of_entries_by_a_sum, einsum_of_four, one_head_of_two_masks, scores_of_one_head, one_channel]


@pytest.mark.parametrize("act", ENDS, ids=lambda act: act.__name__)
def test_what_is_not_known_exactly_ends_the_analysis(act):
    module = Attention(act).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rf.PartlyReadWarning)
        net = rf.load(module, example_input=(1, 2, N))
    assert len(net.left_out) == 1


class Prompted(nn.Module):
    """Scores of a map for embeddings of texts, zero until texts are given, as in open-vocabulary detectors."""

    def __init__(self, texts):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("texts", texts)

    def forward(self, x):
        return torch.einsum("bchw,kc->bkhw", self.conv(x), self.texts)


def test_a_constant_that_waits_for_its_values_leaves_nothing_out():
    given, waiting = (
        rf.load(Prompted(texts), example_input=(1, 3, 9, 9)) for texts in (torch.ones(5, 4), torch.zeros(5, 4))
    )
    assert waiting.layers == given.layers
    assert (rf.profile(waiting).extent.values[-1] == 3).all()
