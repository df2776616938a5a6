"""Functions of keras.ops, and attention with masks, judged by gradients of the model on the torch backend."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.engine.readers.keras.keras_judge import needed_keras

pytestmark = pytest.mark.torch

OPS = {
    "roll": lambda o, x: o.roll(x, (2, -3), axis=(1, 2)),
    "flip": lambda o, x: o.flip(x, axis=2),
    "half a turn": lambda o, x: o.rot90(x, 2, axes=(1, 2)),
    "cumsum": lambda o, x: o.cumsum(x, axis=2),
    "diff": lambda o, x: o.diff(x, n=2, axis=1),
    "take": lambda o, x: o.take(x, np.array([3, 1, 1, 0]), axis=1),
    "repeat": lambda o, x: o.repeat(x, 2, axis=1),
    "tile": lambda o, x: o.tile(x, (1, 2, 1, 1)),
    "norm": lambda o, x: x / o.norm(x, axis=1, keepdims=True),
    "logsumexp": lambda o, x: x + o.logsumexp(x, axis=2, keepdims=True),
    "einsum": lambda o, x: o.einsum("bhwc,bhvc->bhwv", x, o.roll(x, 1, axis=2)),
    "a product from the right": lambda o, x: o.matmul(x, o.ones((2, 5), x.dtype)),
    "crop": lambda o, x: o.image.crop_images(x, 1, 2, target_height=4, target_width=3),
    "patches": lambda o, x: o.image.extract_patches(x, (3, 2), strides=2, padding="same"),
    "conv": lambda o, x: o.conv(x, o.ones((4, 2, 2, 3), x.dtype), 2, "same"),
    "depthwise": lambda o, x: o.depthwise_conv(x, o.ones((3, 3, 2, 1), x.dtype), 2, "same"),
    "a new dim": lambda o, x: o.squeeze(x[:, None], 1),
}
BAND = np.abs(np.arange(9)[:, None] - np.arange(9)) <= 1
ATTENTION = {
    "one way": lambda k, x: k.layers.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True),
    "a band": lambda k, x: k.layers.MultiHeadAttention(2, 2)(x, x, attention_mask=BAND[None]),
    "some keys": lambda k, x: k.layers.Attention()([x, x], mask=[None, k.ops.convert_to_tensor(BAND[1:2])]),
    "one way, by products": lambda k, x: k.layers.Attention()([x, x], use_causal_mask=True),
    "keys by name": lambda k, x: k.layers.MultiHeadAttention(2, 2)(
        query=x, key=k.layers.AveragePooling1D(3, 1, "same")(x), value=x
    ),
}


def judge(shape, make):
    """Compare entries of what a model makes of a convolution with gradients: its first, its last, one between."""
    import torch

    k = needed_keras()
    image = k.Input(shape)
    conv = (k.layers.Conv1D, k.layers.Conv2D)[len(shape) - 2](shape[-1], 3, padding="same")
    model = k.Model(image, make(k, conv(image)))
    net = rf.load(model)
    size = net.map_sizes()[net.outputs[0]]
    given = torch.rand(1, *shape, requires_grad=True)
    made = model(given)[0]
    for entry in [(0,) * len(size), tuple(n // 2 for n in size), tuple(n - 1 for n in size)]:
        mix = torch.rand(made.shape[-1])
        (gradient,) = torch.autograd.grad((made[entry] * mix).sum(), given, retain_graph=True)
        found = rf.footprint(net, net.outputs[0], entry, net.input_size)
        np.testing.assert_array_equal(found.values, (gradient[0] != 0).any(-1).numpy(), err_msg=str(entry))


@pytest.mark.parametrize("name", OPS)
def test_functions(name):
    shape = (6, 6, 2) if "turn" in name else (8, 6, 2)  # of others Keras notes a shape for half a turn that is wrong
    judge(shape, lambda k, x: k.layers.Conv2D(2, 1)(OPS[name](k.ops, x)))


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_in_a_row(name):
    judge((9, 4), ATTENTION[name])


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)])
def test_attention_along_axes_of_a_map(axes):
    judge((5, 4, 4), lambda k, x: k.layers.MultiHeadAttention(2, 2, attention_axes=axes)(x, x))
