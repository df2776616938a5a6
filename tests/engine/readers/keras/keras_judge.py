"""Footprints of Keras models by gradients of the model itself on the torch backend: the judge of their reader.

Weights are positive and random, max pools are average pools, ReLU6 is ReLU and no gate has a gradient of exactly zero,
so that each path counts. Where branches over the whole map are skipped, global pools let no gradient through.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import rfscale as rf


def keras_on_torch():
    """The library on the torch backend, or None where it is not installed or runs on another."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError:
        return None
    return keras if keras.backend.backend() == "torch" else None


def needed_keras():
    """The same, for tests that are skipped without it."""
    found = keras_on_torch()
    if found is None:
        pytest.skip("Keras on the torch backend is not installed")
    return found


def _averaging(config):
    for layer in config["layers"]:
        if layer["class_name"].startswith("MaxPooling"):
            layer["class_name"] = layer["class_name"].replace("Max", "Average")
        if layer["class_name"] == "ReLU":
            layer["config"]["max_value"] = None
        if "layers" in layer["config"]:
            _averaging(layer["config"])
    return config


def _positive(model):
    rng = np.random.default_rng(0)
    for weights in model.weights:
        shape, name = tuple(weights.shape), weights.path.rsplit("/", 1)[-1]
        if name in ("moving_variance", "gamma"):
            weights.assign(np.ones(shape))
        elif name == "moving_mean":
            weights.assign(np.zeros(shape))
        else:
            # one output: a kernel of each channel by itself, of which more would make gradients vanish layer by layer
            inputs = max(1, int(np.prod(shape[: -1 if shape[-1] > 1 else -2]))) if len(shape) > 1 else 10
            weights.assign(rng.uniform(0.5, 1.5, shape) / inputs)


def _gradient(keras, model, image, layer, entry, first):
    import torch

    part = keras.Model(model.inputs, model.get_layer(layer).output)
    value = part(image)
    value = value[0] if isinstance(value, list) else value
    channels = value.shape[1] if first else value.shape[-1]
    mix = torch.rand(channels, dtype=value.dtype, generator=torch.Generator().manual_seed(1))
    here = value[0][(slice(None), *entry)] if first else value[0][entry]
    (gradient,) = torch.autograd.grad((here * mix).sum(), image)
    return set(map(tuple, gradient[0].abs().sum(0 if first else -1).nonzero().tolist()))


def judged(make, *, entries=4, first=False, skip=True, layers=None):
    """Number of entries that were compared, and those that differ, of seeded layers, the deepest among them."""
    import torch

    keras = keras_on_torch()
    floats = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        model = make(keras)
        net = rf.load(model)
        kind, config = type(model), _averaging(model.get_config())
        del model  # one of the two is enough for the memory
        judge = kind.from_config(config)
        _positive(judge)
    finally:
        keras.config.set_floatx(floats)
    hooks = []
    for layer in judge._flatten_layers() if skip else ():
        if type(layer).__name__.startswith("Global"):
            hooks.append(layer.register_forward_hook(lambda part, args, out: out.detach()))
    shape = [1 if n is None else n for n in judge.inputs[0].shape]
    image = torch.rand(*shape, dtype=torch.float64, requires_grad=True)
    mode, over = "skip" if skip else "include", net.global_layers[1 if skip else 0]
    names = {layer.name: layer.name for layer in net.layers} | dict(net.modules)
    local = [layer.name for layer in judge.layers if layer.name in names and names[layer.name] not in over]
    rng = random.Random(judge.name)
    chosen = layers or dict.fromkeys([local[-1], *rng.sample(local, min(entries - 1, len(local)))])
    sizes = rf.profile(net, input_size=net.input_size, global_ops=mode).map_size
    compared, differing = 0, []
    for name in chosen:
        entry = tuple(rng.randrange(int(n)) for n in sizes.sel(layer=names[name]).values)
        found = rf.footprint(net, names[name], entry, net.input_size, global_ops=mode)
        compared += 1
        if set(map(tuple, np.argwhere(found.values).tolist())) != _gradient(keras, judge, image, name, entry, first):
            differing.append((name, entry))
    for hook in hooks:
        hook.remove()
    return compared, differing
