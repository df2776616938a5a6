"""Class tokens and registers beside pixels: what they read wherever they are taken out, judged by NaN."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.engine.readers.torch.trace.test_running import Model, check, influence

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch
SIZE = (1, 4, 6, 8)


def model(forward):
    made = Model(forward)
    made.token = nn.Parameter(torch.rand(1, 1, 4))
    made.q, made.v, made.mix = (nn.Linear(4, 4) for _ in range(3))
    return made


def rows(m, x):
    return m(x).flatten(2).transpose(1, 2)


def as_map(x):
    return x.transpose(1, 2).unflatten(2, SIZE[2:])


def attend(m, q, x):
    return nn.functional.scaled_dot_product_attention(m.q(q), m.v(x), m.v(x))


def judged(forward):
    """Compare all entries of the last output."""
    check(model(forward), SIZE)


def read_by_token(forward):
    """Pixels that the token of a model reads: the network's and the true ones."""
    made = model(forward)
    net = rf.load(made, example_input=SIZE)
    right = influence(made, SIZE).any(axis=(0, 1))
    found = rf.footprint(net, net.outputs[-1], (0,) * 2, SIZE[2:]).values
    np.testing.assert_array_equal(found, right)


def test_tokens_before_attention_hold_nothing():
    def forward(m, x):
        y = m.mix(torch.cat([m.token, rows(m.a, x)], 1))
        z = torch.cat([torch.zeros(1, 2, 4), y], 1)
        return m.b(as_map(z[:, 3:]) + y[:, 0][:, :, None, None] + z[:, :2].sum())

    judged(forward)
    assert not any(layer.op == "global_pool" for layer in net_of(forward).layers)


def net_of(forward):
    return rf.load(model(forward), example_input=SIZE)


def test_a_token_after_attention_reads_what_the_pixels_read():
    def forward(m, x):
        y = torch.cat([m.token, rows(m.a, x[..., :-2, :])], 1)
        y = y + attend(m, y, y)
        y = y + m.mix(y)
        return m.mix(y[:, :1])[..., None]

    read_by_token(forward)


def test_pixels_beside_a_token_that_read_all_do_not():
    def forward(m, x):
        y = rows(m.a, x)
        token = attend(m, m.token, y)  # it attends to the pixels, and they do not
        y = m.mix(torch.cat([token, y], 1))
        return m.b(as_map(y[:, 1:]))

    judged(forward)


def test_a_token_beside_other_pixels_keeps_what_it_read():
    def forward(m, x):
        left, right = rows(m.a, x[..., :4]), rows(m.b, x)
        token = attend(m, m.token, left)
        both = m.mix(torch.cat([token, right], 1))
        return both[:, :1][..., None]

    read_by_token(forward)


def test_what_reads_a_sequence_reads_its_tokens():
    def forward(m, x):
        left, right = rows(m.a, x[..., :3]), rows(m.b, x[..., 5:])
        both = torch.cat([attend(m, m.token, left), right], 1)
        return both.mean(1, keepdim=True)[..., None]

    read_by_token(forward)


def test_attention_of_a_sequence_to_another_map():
    def forward(m, x):
        left, right = rows(m.a, x[..., :3]), torch.cat([m.token, rows(m.b, x[..., 5:])], 1)
        return (right + attend(m, right, left))[:, :1][..., None]

    read_by_token(forward)


def test_tokens_that_read_different_entries_keep_what_each_read():
    def forward(m, x):
        y = torch.cat([m.token, attend(m, m.token, rows(m.a, x[..., :3])), rows(m.b, x)], 1)
        return m.b(as_map(y[:, 2:])) + y[:, 1][..., None, None] + y[:, 0][..., None, None]

    judged(forward)


def test_a_gate_of_all_entries_is_no_part_of_what_a_token_reads_alone():
    def forward(m, x):
        y = torch.cat([m.token, rows(m.a, x)], 1)
        y = y * m.b(x[..., :2]).mean((2, 3))[:, None]
        return m.b(as_map(y[:, 1:])), y[:, 0]

    with pytest.warns(rf.PartlyReadWarning, match="some extra tokens"):
        assert net_of(forward).left_out


def joined_tokens(m, x):
    """Two tokens that read all pixels, two that read nothing before them, and one after."""
    y = torch.cat([m.token.repeat(1, 2, 1), rows(m.a, x[..., :-2, :])], 1)
    y = y + attend(m, y, y)
    return m.mix(torch.cat([m.token.repeat(1, 2, 1) * 2, y, m.token * 3], 1))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 2), (2, 4), (3, 4), (1, 3), (0, 4), (-1, None)])
def test_tokens_of_which_each_reads_other_layers_are_cut_apart(start, stop):
    def forward(m, x):
        return m.b(x) + joined_tokens(m, x)[:, start:stop].sum((1, 2))

    judged(forward)


def test_tokens_are_still_apart_when_some_of_them_are_cut_off():
    def forward(m, x):
        return m.b(x) + joined_tokens(m, x)[:, 1:-1][:, :1].sum((1, 2))

    judged(forward)
    assert not any(layer.op == "global_pool" for layer in net_of(forward).layers)


def test_tokens_that_were_cut_out_together_and_joined_again_are_not_known_apart():
    def forward(m, x):
        y = joined_tokens(m, x)[:, :-1]
        y = torch.cat([y[:, :4], m.mix(y[:, 4:])], 1)
        return m.b(x) + y[:, :1].sum((1, 2))

    with pytest.warns(rf.PartlyReadWarning, match="some extra tokens"):
        net_of(forward)


def test_a_mask_of_what_all_queries_read_anyway():
    """A head's masks of the queries take keys from them: what the masks read is read by the keys already."""

    def forward(m, x):
        y = rows(m.a, x)
        y = y + attend(m, y, y)
        y = torch.cat([m.token.repeat(1, 2, 1), y], 1)
        scores = torch.einsum("bqc,bpc->bqp", m.mix(y[:, :2]), m.v(y[:, 2:]))
        mask = torch.zeros(1, y.shape[1], y.shape[1], dtype=y.dtype)
        mask[:, :2, 2:] = torch.tanh(scores)
        y = nn.functional.scaled_dot_product_attention(m.q(y), m.v(y), m.v(y), attn_mask=mask)
        return m.b(as_map(y[:, 2:])) * y[:, :1].sum()

    judged(forward)


def test_a_mask_of_what_queries_do_not_read_ends_the_analysis():
    def forward(m, x):
        y = torch.cat([m.token, rows(m.a, x[..., :3, :])], 1)
        mask = torch.zeros(1, y.shape[1], y.shape[1], dtype=y.dtype)
        mask[:, :1, 1:] = rows(m.b, x[..., 3:, :]).sum(-1)[:, None]
        return nn.functional.scaled_dot_product_attention(m.q(y), m.v(y), m.v(y), attn_mask=mask)

    with pytest.warns(rf.PartlyReadWarning):
        net_of(forward)
