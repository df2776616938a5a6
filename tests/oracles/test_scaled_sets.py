"""The oracle of spaces with skips and upsampling against the profile of networks that are written by hand."""

from __future__ import annotations

from itertools import product

import pytest

import rfscale as rf
from tests.oracles.scaled_sets import Architecture, Step, rows


def same_as_profile(found, network, layer=None):
    """Figures of the first axis; products of a profile may lie within others."""
    profile = rf.profile(network)
    last = profile.sel(layer=layer) if layer else profile.isel(layer=-1)
    assert found.area == last.area
    assert (found.extent, found.max_gap, found.jump) == (last.extent[0], last.max_gap[0], last.jump[0])
    assert found.shared / found.area == last.overlap[0]
    assert found.area / found.box == last.density
    assert found.terms <= last.terms


def unet(kernels, up):
    """Two levels, written layer by layer."""
    a, b, bottom, c, d = kernels
    build = rf.NetworkBuilder("unet")

    def conv(x, kernel, dilation=1):
        reach = dilation * (kernel - 1)
        padding = [reach // 2] * 2 + [reach - reach // 2] * 2
        return build.conv(kernel=kernel, dilation=dilation, padding=padding, inputs=x)

    def larger(x):
        if up == "transposed":
            return build.conv_transpose(kernel=4, stride=2, padding=1, inputs=x)
        return build.upsample(scale=2, mode=up, inputs=x)

    first = conv("input", a)
    second = conv(build.max_pool(kernel=2, inputs=first), b)
    x = conv(build.max_pool(kernel=2, inputs=second), *bottom)
    x = conv(build.concat(inputs=[larger(x), second]), c)
    conv(build.concat(inputs=[larger(x), first]), d)
    return build.build()


@pytest.mark.parametrize("up", ["nearest", "bilinear", "transposed"])
def test_unets(up):
    layer = {"op": "conv_transpose", "kernel": 4, "stride": 2}
    layer = layer if up == "transposed" else {"op": "upsample", "scale": 2, "mode": up}
    spec = {"stages": [
        {"name": "e1", "kernel": [1, 3]}, {"name": "p1", "op": "max_pool", "kernel": 2},
        {"name": "e2", "kernel": [3, 5]}, {"name": "p2", "op": "max_pool", "kernel": 2},
        {"name": "b", "choices": [{"kernel": 3}, {"kernel": 3, "dilation": 4}]},
        {"name": "u2", **layer}, {"name": "j2", "skip": "e2", "merge": "concat"}, {"name": "d2", "kernel": [1, 3]},
        {"name": "u1", **layer}, {"name": "j1", "skip": "e1", "merge": "concat"}, {"name": "d1", "kernel": [2, 3]},
    ]}  # fmt: skip
    for a, b, c, d, e in list(product([1, 3], [3, 5], [0, 1], [1, 3], [2, 3]))[::3]:
        row = {"e1_kernel": a, "e2_kernel": b, "b_choice": c, "d2_kernel": d, "d1_kernel": e}
        network = unet((a, b, [(3,), (3, 4)][c], d, e), up)
        same_as_profile(Architecture(spec, row).figures(), network)


def test_a_skip_that_reads_through_layers_and_stages_that_go_back():
    spec = {"stages": [
        {"name": "c1", "kernel": 3, "stride": 2}, {"name": "c2", "kernel": 3, "stride": 3},
        {"name": "top", "op": "upsample", "scale": 3},
        {"name": "m", "skip": ["none", "c1"], "through": [{"kernel": 5, "dilation": 3}]},
        {"name": "side", "from": "c1", "kernel": 5},
        {"name": "out", "from": "m", "kernel": 3},
    ]}  # fmt: skip
    for skip in ("none", "c1"):
        b = rf.NetworkBuilder("hand")
        c1 = b.conv("c1", kernel=3, stride=2, padding=1)
        x = b.upsample("top", scale=3, inputs=b.conv("c2", kernel=3, stride=3, padding=1))
        if skip == "c1":
            x = b.add("m", inputs=[x, b.conv(kernel=5, dilation=3, padding=6, inputs=c1)])
        b.conv("side", kernel=5, padding=2, inputs=c1)
        b.conv("out", kernel=3, padding=1, inputs=x)
        found = Architecture(spec, {"m_skip": skip})
        for stage in ("c1", "c2", "top", "side", "out", *(["m"] if skip == "c1" else [])):
            same_as_profile(found.figures(stage), b.build(), stage)


def test_what_an_entry_reads():
    assert [Step("bilinear", 2).reads(o) for o in range(4)] == [[-1, 0], [0, 1], [0, 1], [1, 2]]
    assert Step("bilinear", 3).reads(4) == [1]
    assert [Step("transposed", 3, 2).reads(o) for o in range(3)] == [[0], [0, 1], [1]]
    assert [Step("transposed", 2, 2).reads(o) for o in range(3)] == [[0], [0], [1]]
    assert rows((Step("window", 3, 2), Step("nearest", 2)), 3) == {1, 2, 3}
