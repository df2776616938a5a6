"""Seeded entries of a real model: the reader's footprints beside those of autograd through the exported graph."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

import rfscale as rf
from rfscale.engine.readers.tensors.layout import spatial
from tests.engine.readers.judges.models import default_size, module

SMALL = (64, 96, 128)  # image sizes that are tried before the one that a model is made for


class Verdict(NamedTuple):
    """Entries that were compared, those that differ, and the image's size."""

    compared: int
    differing: list[tuple[str, str, tuple[int, ...]]]
    size: int


def tracked(program, name):
    """The network of a program with every layer kept, and what the reader holds at each node."""
    from rfscale.engine.readers.tensors.finished import finished
    from rfscale.engine.readers.tensors.tracking import Tracked, image_tracker
    from rfscale.engine.readers.tensors.unknowns import Unknowns
    from rfscale.engine.readers.torch.program.graph_reader import GraphReader

    image = next(n for n in program.graph_module.graph.nodes if n.name == program.graph_signature.user_inputs[0])
    tracker, first, channels = image_tracker(tuple(image.meta["val"].shape))
    values = {image: first}
    reader = GraphReader(tracker, Unknowns(None, "torch"))
    reader.run(program.graph_module, values)
    assert not reader.unknowns.found
    held = {n: v for n, v in values.items() if isinstance(v, Tracked) and v.layer >= 0}
    net = finished(tracker, name, held.values(), channels, reader.unknowns)
    layers = dict.fromkeys(v.layer for v in held.values())
    return net, dict(zip(layers, net.outputs, strict=True)), held


def whole_maps(held):
    """Nodes that hold a whole map: each axis from end to end in a dim of its own, and every channel of the layer."""

    def size(v):
        return int(np.prod(v.shape))

    most = {}
    for v in held.values():
        most[v.layer] = max(most.get(v.layer, 0), size(v))
    for node, v in held.items():
        parts = [dim for dim in v.dims if spatial(dim)]
        whole = all(len(d) == 1 and not d[0].inner and d[0].size == v.map[d[0].axis] for d in parts)
        if whole and len(parts) == len(v.map) and size(v) == most[v.layer]:
            yield node, v


def judge(model: str, size: int, entries: int = 4) -> Verdict:
    """Compare seeded entries of seeded maps, the deepest map among them, with global_ops included and skipped."""
    from tests.engine.readers.judges.exported import exported
    from tests.oracles.exported_graph import Judge

    program = exported(module(model), (1, 3, size, size))
    net, names, held = tracked(program, model)
    rng = random.Random(model)
    compared, differing, judging = 0, [], None
    for mode, behind in zip(("include", "skip"), net.global_layers, strict=True):
        local = [(n, v) for n, v in whole_maps(held) if names[v.layer] not in behind]
        if not local:
            continue
        if judging is not None and judging.attends:
            continue  # the judge cannot tell global attention from attention in windows
        judging = Judge(program, mode)
        if mode == "skip" and judging.attends:
            continue
        for node, v in [local[-1], *rng.sample(local, min(entries - 1, len(local)))]:
            entry = tuple(rng.randrange(n) for n in v.map)
            index = tuple(entry[spatial(d)[0].axis] if spatial(d) else slice(None) for d in v.dims)
            found = rf.footprint(net, names[v.layer], entry, net.input_size, global_ops=mode)
            compared += 1
            if set(map(tuple, np.argwhere(found.values).tolist())) != judging.footprint(node, index):
                differing.append((mode, names[v.layer], entry))
    return Verdict(compared, differing, size)


def judge_small(model: str, entries: int = 4) -> Verdict:
    """`judge` at the smallest size that the model takes."""
    sizes = [*SMALL, default_size(model, module(model))]
    for size in sizes:
        try:
            return judge(model, size, entries)
        except rf.InputError:
            if size == sizes[-1]:
                raise
    raise AssertionError("the last size returns or raises")
