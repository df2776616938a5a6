"""Rows are told apart by all of their numbers, however far apart these are."""

from __future__ import annotations

import numpy as np
import pytest

from rfscale.sweeps.states.numbering import distinct_columns, distinct_rows

FAR = [0, 1, 2**62, -(2**62), 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_numbered_as_they_appear(seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 60))
    columns = [
        draw.choice(np.array(FAR), n),
        draw.integers(-3, 3, n).astype(np.int32),
        draw.choice(np.array([0, 1, 2**63, 2**64 - 1], np.uint64), n),
        draw.choice([0.0, 0.5, np.inf], n),
        draw.choice(np.array(FAR), n),
    ]
    known: dict[tuple, int] = {}
    want = [known.setdefault(row, len(known)) for row in zip(*(c.tolist() for c in columns), strict=True)]
    numbers, first = distinct_columns(columns)
    assert numbers.tolist() == want
    assert first.tolist() == [want.index(i) for i in range(len(known))]


def test_rows_without_columns_and_no_rows():
    assert [x.tolist() for x in distinct_rows(np.zeros((3, 0), np.uint64))] == [[0, 0, 0], [0]]
    assert [x.tolist() for x in distinct_rows(np.zeros((0, 2), np.uint64))] == [[], []]
