"""The last trace of a network is kept beside it: every question gets what it would get without."""

import gc

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.footprints import forward
from rfscale.engine.footprints.forward import kept_trace, trace

SIZES = (32, 64, 32, None, (40, 32))


def network():
    return rf.Network.from_dict({"layers": [{"kernel": 3, "stride": 2, "padding": 1}, {"kernel": 3, "dilation": 2}]})


@pytest.mark.parametrize("order", [SIZES, SIZES[::-1]])
def test_sizes_in_any_order(order):
    net = network()
    for size in order:
        for entry in ((2, 3), (5, 5)):
            again = rf.footprint(network(), "conv2", entry, input_size=size)
            np.testing.assert_array_equal(rf.footprint(net, "conv2", entry, input_size=size), again)


def test_one_is_kept_and_dropped_with_its_network():
    net, before = network(), len(forward._KEPT)
    first = kept_trace(net, 64)
    assert kept_trace(net, 64).terms is first.terms
    assert kept_trace(net, 32).terms is not first.terms
    assert kept_trace(net, 64).terms is not first.terms  # the last one alone
    assert trace(net, 64).terms is not kept_trace(net, 64).terms
    del net, first
    gc.collect()
    assert len(forward._KEPT) == before


def test_a_large_one_is_not_kept(monkeypatch):
    monkeypatch.setattr(forward, "MAX_KEPT", 8)
    net = network()
    assert kept_trace(net, 64).terms is not kept_trace(net, 64).terms
