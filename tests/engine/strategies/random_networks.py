"""Random networks, and entries of their maps: for plain seeded loops and for hypothesis."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

from hypothesis import strategies as st

from rfscale.engine.network.network import Network
from tests.engine.strategies.draft import Draft, Size, Spec, UnfitError
from tests.engine.strategies.families import FAMILIES, WRITERS
from tests.oracles import plain_sets as reference


def random_network(rng: random.Random, family: str | None = None, ndim: int | None = None) -> Spec:
    """Spec of a random network, valid in the interior and in the finite mode.

    Parameters
    ----------
    rng : random.Random
    family : str, optional
        One of `FAMILIES`; by default any.
    ndim : {1, 2, 3}, optional
        Number of axes; by default any.
    """
    family = family if family is not None else rng.choice(FAMILIES)
    ndim = ndim if ndim is not None else rng.choice([2, 1, 3])
    while True:
        draft = Draft(rng, ndim)
        with contextlib.suppress(UnfitError):  # what was written before it is a network too, if there is any
            WRITERS[family](draft)
        if draft.layers:
            return draft.spec()


def random_case(rng: random.Random, family: str | None = None, ndim: int | None = None) -> tuple[Spec, str, Size]:
    """A random network, one of its layers (mostly the last), and an entry of that layer's finite map."""
    spec = random_network(rng, family, ndim)
    net = Network.from_dict(spec)
    assert net.input_size is not None
    names = [layer.name for layer in net.layers]
    layer = rng.choice(names) if rng.random() > 0.6 else names[-1]
    size = reference.map_sizes(net, net.input_size)[layer]
    return spec, layer, tuple(rng.randrange(n) for n in size)


@st.composite
def networks(draw: st.DrawFn, families: Sequence[str] = FAMILIES, ndims: Sequence[int] = (2, 1, 3)) -> Spec:
    """Spec dicts of random networks, which hypothesis can shrink."""
    family, ndim = draw(st.sampled_from(families)), draw(st.sampled_from(ndims))
    return random_network(draw(st.randoms(use_true_random=False)), family, ndim)


@st.composite
def cases(
    draw: st.DrawFn, families: Sequence[str] = FAMILIES, ndims: Sequence[int] = (2, 1, 3)
) -> tuple[Spec, str, Size]:
    """(spec, layer, entry): a random network and an entry of the finite map of one of its layers."""
    family, ndim = draw(st.sampled_from(families)), draw(st.sampled_from(ndims))
    return random_case(draw(st.randoms(use_true_random=False)), family, ndim)
