"""Where the axes are, through views and permutations: against numpy's own index arithmetic."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from rfscale.engine.readers.tensors.combined import common
from rfscale.engine.readers.tensors.layout import (
    Factor,
    UnreadableError,
    joined,
    neutral,
    regroup,
    spatial,
    whole_axis,
)


def positions(dims, axis, size):
    """The index along an axis that each entry of a tensor with these dims has."""
    out = np.zeros([math.prod(f.size for f in dim) for dim in dims], int)
    for d, dim in enumerate(dims):
        index = np.arange(out.shape[d])
        inner = 1
        for f in reversed(dim):
            if f.axis == axis:
                shape = [1] * out.ndim
                shape[d] = -1
                out = out + (index // inner % f.size * f.stride).reshape(shape)
            inner *= f.size
    assert out.max() < size
    return out


def random_shape(rng, total):
    shape = []
    while total > 1:
        f = rng.choice([n for n in range(2, total + 1) if total % n == 0])
        shape.append(f)
        total //= f
    for _ in range(rng.randrange(2)):
        shape.insert(rng.randrange(len(shape) + 1), 1)
    return shape


@pytest.mark.parametrize("seed", range(40))
def test_views_and_permutations_move_entries_as_numpy_does(seed):
    rng = random.Random(f"layout {seed}")
    size, channels = (rng.choice([4, 6, 8, 12]), rng.choice([4, 6, 8, 12])), rng.choice([2, 6])
    dims = ((), neutral(channels), whole_axis(0, size[0]), whole_axis(1, size[1]))
    expected = [np.broadcast_to(i, (1, channels, *size)) for i in np.indices(size)]
    read = 0
    for _ in range(6):
        if rng.random() < 0.5:
            order = rng.sample(range(len(dims)), len(dims))
            dims = tuple(dims[d] for d in order)
            expected = [e.transpose(order) for e in expected]
        else:
            shape = random_shape(rng, expected[0].size)
            try:
                dims = regroup(dims, shape)
            except UnreadableError:
                continue
            expected = [e.reshape(shape) for e in expected]
            read += 1
        for axis in (0, 1):
            np.testing.assert_array_equal(positions(dims, axis, size[axis]), expected[axis])


def test_a_view_that_cuts_across_axes_is_refused():
    with pytest.raises(UnreadableError, match="cuts across"):
        regroup((whole_axis(0, 6), whole_axis(1, 7)), (7, 6))


def test_neighbours_join_again():
    assert joined([Factor(8, 0, 7), Factor(7, 0, 1)]) == whole_axis(0, 56)
    assert joined([Factor(7, 0, 1), Factor(8, 0, 7)]) == (Factor(7, 0, 1), Factor(8, 0, 7))
    assert joined([Factor(2), Factor(1), Factor(3)]) == (Factor(6),)


def test_common_refuses_axes_that_disagree():
    y, x = whole_axis(0, 5), whole_axis(1, 5)
    assert common([((), y), (y,)], (3, 5)) == (neutral(3), y)
    with pytest.raises(UnreadableError, match="different parts"):
        common([(y, x), (x, y)], (5, 5))
    with pytest.raises(UnreadableError, match="pairs the entries"):
        common([(y, ()), ((), y)], (5, 5))
    assert spatial((Factor(26, 0, 1, (Factor(5, 0, 1), Factor(5, 1, 1)), 1),)) == (Factor(5, 0), Factor(5, 1))
