"""A few random programs of ATen operators by NaN propagation; thousands by hand, with the module that draws them."""

from __future__ import annotations

from collections import Counter

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_programs_are_read_right_or_end(first):
    from tests.engine.readers.judges.random_programs import judged

    found = Counter(judged(seed)[0] for seed in range(first, first + 10))
    assert found["equal"] >= 8
    assert not any("not those of the operator" in reason for reason in found)
