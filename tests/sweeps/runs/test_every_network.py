"""Every figure of every architecture of spaces of 10^4 networks and more, against `rf.profile` of each network.

Takes a minute or two: ``python -m pytest -m exhaustive``.
"""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf

pytestmark = pytest.mark.exhaustive

SQUARE = {  # lists of every parameter, shared factors, repeats from 0, strides first or last, choices of blocks, costs
    "name": "square",
    "factors": {"k": [1, 2, 5], "d": [1, 3]},
    "input_size": 640,
    "channels": {"base": 4, "growth": 2},
    "stages": [
        {"name": "stem", "op": ["conv", "max_pool"], "kernel": [2, 7], "stride": [1, 2]},
        {"name": "s1", "kernel": "$k", "dilation": [1, 2, 9], "repeat": [1, 3], "stride": 2, "stride_at": "last"},
        {"name": "fixed", "op": "avg_pool", "kernel": 2},
        {
            "name": "s2",
            "kernel": 3,
            "dilation": "$d",
            "stride": [1, 2],
            "stride_at": ["first", "last"],
            "repeat": [0, 1, 2],
        },
        {
            "name": "s3",
            "choices": [[], {"kernel": "$k"}, [{"kernel": 1}, {"kernel": 3, "dilation": "$d", "repeat": 2}]],
        },
    ],
}
ANISOTROPIC = {
    "name": "anisotropic",
    "input_size": [240, 320],
    "channels": 6,
    "factors": {"k": [[1, 7], [7, 1], 3]},
    "stages": [
        {"name": "a", "kernel": "$k", "stride": [1, [1, 2], 2], "dilation": [1, [2, 3]]},
        {"name": "b", "kernel": 3, "dilation": [[1, 3], [4, 1], 2], "repeat": [0, 1, 2], "groups": "depthwise"},
        {"name": "c", "op": ["max_pool", "conv"], "kernel": [2, [3, 2]]},
        {"name": "d", "kernel": "$k", "stride": [[3, 1], 1], "repeat": [1, 2, 3]},
        {"name": "e", "choices": [[], {"kernel": [5, 1]}, [{"kernel": [1, 5]}, {"kernel": "$k", "dilation": [6, 5]}]]},
    ],
}
LINE = {
    "name": "line",
    "axes": 1,
    "stages": [{"name": f"s{i}", "kernel": [2, 3], "dilation": [1, 5, 70], "stride": [1, 2]} for i in range(3)]
    + [{"name": "last", "kernel": [1, 4, 64], "dilation": [1, 3]}],
}


@pytest.mark.parametrize("spec", [SQUARE, ANISOTROPIC, LINE], ids=lambda s: s["name"])
def test_every_network_equals_its_profile(spec):
    space = rf.Space.from_dict(spec)
    assert 10_000 <= space.size <= 100_000
    tree = rf.sweep(space)
    exact = {stage.name: {} for stage in space.stages}
    for index in range(space.size):
        profile = rf.profile(space.network(index))
        figures = {name: profile[name].values for name in ("extent", "jump", "overlap", "area")}
        if space.channels:
            figures |= {name: profile[name].values.cumsum() for name in ("params", "macs")}
        position = {str(name): i for i, name in enumerate(profile.layer.values)}
        for stage, layer in space.outputs(index).items():
            if layer == "input":
                continue
            at = position[layer]
            row = {name: values[at] for name, values in figures.items()}
            flat = index // (space.size // space.stage_sizes[space.stage_index(stage)])
            known = exact[stage].setdefault(flat, row)
            assert all(np.array_equal(known[n], row[n], equal_nan=True) for n in row)
    for stage, rows in exact.items():
        compare(tree[stage].dataset, rows, len(space.axes))


def compare(ds, rows, ndim):
    """Figures of a stage's dataset against those of the networks, by flat index."""
    at = np.array(sorted(rows))
    per_axis = {}
    for name in ("pixels", "extent", "jump", "shared"):
        values = ds[name].values.reshape(-1, ds.sizes.get("axis", 1))[at].astype(np.int64)
        per_axis[name] = np.broadcast_to(values, (len(at), ndim))
    want = {name: np.array([rows[i][name] for i in at]) for name in rows[at[0]]}
    np.testing.assert_array_equal(per_axis["pixels"].prod(axis=1), want["area"])
    np.testing.assert_array_equal(per_axis["extent"], want["extent"])
    np.testing.assert_array_equal(per_axis["jump"], want["jump"])
    np.testing.assert_array_equal(per_axis["shared"] / per_axis["pixels"], want["overlap"])
    for name in {"params", "macs"} & set(want):
        np.testing.assert_array_equal(ds[name].values.reshape(-1)[at], want[name])
