"""Recurrent layers of Keras, and products of its layers: judged by runs on images with pixels that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def keras():
    from tests.engine.readers.keras.keras_judge import needed_keras

    return needed_keras()


def row(*layers, shape=(9, 3)):
    """A model of layers one after another; each is made of Keras's layers."""

    def make():
        layers_of = keras().layers
        return keras().Sequential([keras().Input(shape), *(layer(layers_of) for layer in layers)])

    return make


def pair(made):
    """A model of two convolutions, and a layer that gets both."""

    def make():
        layers_of = keras().layers
        image = keras().Input((9, 3))
        parts = [layers_of.Conv1D(4, n, padding="same")(image) for n in (3, 1)]
        return keras().Model(image, made(layers_of, parts))

    return make


def conv(layers):
    return layers.Conv1D(4, 3, padding="same")


def clips(kind, *given, **named):
    return lambda layers: getattr(layers, kind)(2, *given, return_sequences=True, **named)


MODELS = {
    "last state": row(conv, lambda m: m.LSTM(5)),
    "states": row(conv, lambda m: m.LSTM(5, return_sequences=True)),
    "backwards": row(conv, lambda m: m.GRU(5, return_sequences=True, go_backwards=True), conv),
    "cells": row(conv, lambda m: m.RNN([m.LSTMCell(4), m.GRUCell(3)], return_sequences=True)),
    "both ways": row(conv, lambda m: m.Bidirectional(m.LSTM(3, return_sequences=True))),
    "maps": row(clips("ConvLSTM2D", 3, padding="same"), shape=(3, 7, 8, 2)),
    "last map": row(lambda m: m.ConvLSTM2D(2, (3, 1), strides=2), shape=(3, 7, 8, 2)),
    "maps backwards": row(clips("ConvLSTM1D", 3, go_backwards=True), shape=(3, 12, 2)),
    "dot of rows": pair(lambda m, parts: m.Dot((2, 2))(parts)),
    "dot of channels": pair(lambda m, parts: m.Dot((1, 1))(parts)),
    "dot as attention": pair(lambda m, parts: m.Dot((2, 1))([m.Softmax()(m.Dot((2, 2))(parts)), parts[1]])),
    "einsum": row(conv, lambda m: m.EinsumDense("abc,cd->abd", output_shape=(None, 6)), conv),
    "einsum with dots": row(conv, lambda m: m.EinsumDense("...x,xy->...y", output_shape=6), conv),
    "einsum of rows": row(conv, lambda m: m.EinsumDense("abc,be->aec", output_shape=(5, None))),
}


@pytest.mark.parametrize("name", MODELS)
def test_footprints_are_what_matters(name):
    model = MODELS[name]()
    net = rf.load(model)
    image = torch.rand([1 if n is None else n for n in model.inputs[0].shape])
    (output,) = net.outputs
    size, rng = net.map_sizes()[output], np.random.default_rng(0)

    def matters(entry, pixels):
        value = model(image.masked_fill(torch.from_numpy(pixels)[None, ..., None], torch.nan))
        axes = [n for n, m in zip(entry, size, strict=True) if m > 1]  # of one entry, the output may lack the axis
        return bool(value[0][tuple(axes)].isnan().any())

    for _ in range(4):
        entry = tuple(int(rng.integers(n)) for n in size)
        footprint = rf.footprint(net, output, entry, net.input_size).values
        assert footprint.all() or not matters(entry, ~footprint)
        for pixel in rng.permutation(np.argwhere(footprint))[:8]:
            one = np.zeros_like(footprint)
            one[tuple(pixel)] = True
            assert matters(entry, one)


def test_states_and_words():
    layers = keras().layers
    image = keras().Input((9, 3))
    whole, *ends = layers.LSTM(3, return_sequences=True, return_state=True)(conv(layers)(image))
    net = rf.load(keras().Model(image, [whole, *ends]))
    assert [net.map_sizes()[name] for name in net.outputs] == [(9,), (1,)]  # both states have read the same
    words = rf.load(row(lambda m: m.Embedding(10, 4), conv, conv, shape=(12,))())
    assert words.input_size == (12,)
    assert rf.profile(words).extent.values[-1].tolist() == [5]


def test_weights_of_gates_are_not_counted():
    """One layer stands for several gates: its weights are not known, those of the layers around it are."""
    rows = row(conv, lambda m: m.Bidirectional(m.LSTM(5, return_sequences=True)), conv)()
    maps = row(
        clips("ConvLSTM2D", 3, padding="same"), lambda m: m.TimeDistributed(m.Conv2D(4, 3)), shape=(3, 7, 8, 2)
    )()
    for model in (rows, maps):
        found = rf.profile(rf.load(model)).params
        counted = [n for n in found.values.tolist() if n > 0]
        gated = [m for m in model.layers if isinstance(m, keras().layers.RNN | keras().layers.Bidirectional)]
        assert found.isnull().any()
        assert sum(counted) == model.count_params() - sum(m.count_params() for m in gated)


def test_a_cell_of_the_user_ends_there():
    lib = keras()

    class Own(lib.layers.GRUCell):
        pass

    image = lib.Input((9, 3))
    net = rf.load(lib.Model(image, lib.layers.RNN(Own(4))(conv(lib.layers)(image))))
    assert list(net.left_out.values()) == ["its cell is a class of the user's own"]
