"""The compiled formulas equal the registry's, bit by bit, over the whole domain; caches know what they depend on."""

from __future__ import annotations

from itertools import product

import numba
import numpy as np
import pytest

from rfscale.engine.footprints.figures import Figures, share
from rfscale.engine.formulas.exactness import ROUNDING
from rfscale.engine.formulas.registry import (
    FIRST_WINDOW,
    PUBLISHED,
    PUBLISHED_BY_WINDOW,
    advance,
    box_overlap,
    leaves_gaps,
    published_after,
    published_is_exact,
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


@pytest.mark.parametrize("window", [*WINDOWS, (4, 1, 1), (1, 1, 3)], ids=str)
@pytest.mark.parametrize("regular", [True, False])
def test_domain_of_the_published_formulas(window, regular):
    """What the article's domain is after a layer: the input's, and the rule of the registry."""
    number = getattr(formula_recurrence, (published_name(window) or "no_formula").upper())
    article, rest = formula_recurrence.PUBLISHED_INSIDE, formula_recurrence.REGULAR if regular else 0
    for P in [*SHARES[:-1], 0.5, np.nextafter(0.5, 1)]:
        for before in (rest, rest | article):
            after = formula_recurrence.domain(before, number, P, 9.0, 9 * (1 - P), 9, 1, *window)
            assert bool(after & article) == bool(before & article and published_is_exact(window, P, regular))


@pytest.mark.parametrize("window", list(product([1, 2, 3, 7], [1, 2, 3, 4], [1, 2, 5])), ids=str)
def test_domain_of_the_closed_form(window):
    flags, kernel = formula_recurrence.ALL_FLAGS, formula_recurrence
    for w, u in product(np.arange(1.0, 40), np.arange(1.0, 40)):
        after = kernel.domain(flags, kernel.CONV1, 0.0, w, u, int(w), int(u), *window)
        assert bool(after & kernel.REGULAR) != leaves_gaps(w, u, *window)
        irregular = kernel.domain(flags & ~kernel.REGULAR, kernel.CONV1, 0.0, w, u, int(w), int(u), *window)
        assert bool(irregular & kernel.CLOSED_INSIDE) == (window[:2] == (1, 1))


def test_what_counts_as_exact():
    assert formula_errors.EXACT == ROUNDING


def test_shares():
    """Overlap and the bounding box's overlap of every footprint up to 200 pixels, and of large ones."""
    large = [2**31 - 1, 2**31, 2**53 - 1, 2**53]  # pixels on one axis are int32
    pairs = [(part, whole) for whole in range(1, 201) for part in range(whole + 1)]
    pairs += [(part, whole) for whole in large for part in (0, 1, whole // 3, whole - 1, whole)]
    parts, wholes = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    compiled = [formula_recurrence.share(*pair) for pair in pairs]
    np.testing.assert_array_equal(compiled, share(parts, wholes))
    np.testing.assert_array_equal(compiled, [share(*pair) for pair in pairs])
    np.testing.assert_array_equal(compiled, Figures(wholes, (0,), (wholes,), (0,), (parts,)).overlap[0])
    extents, jumps = (x.ravel() for x in np.meshgrid(np.arange(1, 150), np.arange(1, 150)))
    boxes = [formula_recurrence.box_overlap(*pair) for pair in zip(extents, jumps, strict=True)]
    np.testing.assert_array_equal(boxes, box_overlap(extents, jumps))


def test_exact_figures_of_the_walk():
    """Area, overlaps and the bounding box's errors: products and shares of the figures by axis."""
    rng = np.random.default_rng(0)
    for axes, power in [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)] * 20:
        extent = rng.integers(1, 60, axes)
        pixels = np.array([rng.integers(1, e + 1) for e in extent])
        shared, jump = np.array([rng.integers(0, p + 1) for p in pixels]), rng.integers(1, 9, axes)
        figures = np.stack([extent, pixels, jump, shared], axis=1)[None]
        exact, error = np.empty(1 + axes), np.full(3 + 3 * axes, np.nan)
        formula_errors.exact_figures(figures, 0, power, exact, error)
        area, box = np.prod(pixels) ** power, np.prod(extent) ** power
        np.testing.assert_array_equal(exact, [area, *share(shared, pixels)])
        wanted = [(box - area) / area, *abs(box_overlap(extent, jump) - share(shared, pixels))]
        np.testing.assert_array_equal(error[2 * (1 + axes) :], wanted)


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
