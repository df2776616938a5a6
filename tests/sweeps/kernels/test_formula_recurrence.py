"""The compiled formulas equal the registry's, bit by bit, over the whole domain; caches know what they depend on."""

from __future__ import annotations

from itertools import product

import numba
import numpy as np
import pytest

from rfscale.engine.formulas.registry import (
    FIRST_WINDOW,
    PUBLISHED,
    PUBLISHED_BY_WINDOW,
    advance,
    published_after,
    published_name,
)
from rfscale.engine.kernels.jit import source_version
from rfscale.sweeps.kernels import formula_errors, formula_recurrence, frames, merge_states

SHARES = np.concatenate([np.linspace(0, 1, 257), 1 / np.arange(3.0, 40), 1 - 1 / np.arange(3.0, 40), [np.nan]])
AREAS = np.array([1.0, 2.0, 9.0, 12.5, 81.0, 6724.0, 1e9, np.nan])
WINDOWS = [*PUBLISHED_BY_WINDOW, FIRST_WINDOW]


@pytest.mark.parametrize("window", [*WINDOWS, (4, 1, 1)], ids=str)
def test_published(window):
    number = getattr(formula_recurrence, (published_name(window) or "no_formula").upper())
    S, P = (x.ravel() for x in np.meshgrid(AREAS, SHARES))
    compiled = np.array([formula_recurrence.published(number, *pair) for pair in zip(S, P, strict=True)]).T
    np.testing.assert_array_equal(compiled, published_after(window, S, P))
    for place in range(0, len(S), 97):  # numbers as well as arrays
        np.testing.assert_array_equal(published_after(window, float(S[place]), float(P[place])), compiled[:, place])


def test_every_formula_has_a_twin():
    """Two formulas in a row aside, which are no layer."""
    assert {name for name in PUBLISHED if hasattr(formula_recurrence, name.upper())} == set(PUBLISHED) - {"conv3_pool2"}


@pytest.mark.parametrize("window", list(product([1, 2, 3, 7], [1, 2, 3, 4], [1, 2, 5])), ids=str)
def test_closed_form(window):
    w, u = (x.ravel() for x in np.meshgrid(np.arange(1.0, 60), np.arange(1.0, 60)))
    w, u = w[u <= w], u[u <= w]
    compiled = np.array([formula_recurrence.closed_form(*pair, *window) for pair in zip(w, u, strict=True)]).T
    np.testing.assert_array_equal(compiled, advance(w, u, *window))


def test_kernels_depend_on_the_files_they_inline(tmp_path):
    """The version is a default, so that it is part of the signature under which machine code is stored."""
    file = tmp_path / "scalars.py"
    file.write_text("a = 1")
    first = source_version(str(file), {})
    assert first == source_version(str(file), {})
    assert source_version(formula_recurrence.__file__, {}) == formula_recurrence.VERSION
    assert merge_states.VERSION == formula_recurrence.VERSION
    assert formula_errors.VERSION == formula_recurrence.VERSION ^ frames.VERSION
    if not numba.config.DISABLE_JIT:
        for kernel, version in ((merge_states.advance_edges, merge_states.VERSION), (formula_errors.walk, None)):
            assert kernel.py_func.__defaults__ == (version or formula_errors.VERSION,)
        add = numba.njit(lambda a, version=first: a)
        add(1)
        assert str(first) in str(add.signatures[0][1])
