"""Unions of separable products: what a merge does to the footprints of its branches.

A term is one product: a family per axis. Every layer acts on the axes of a term independently; a merge unites the
terms of its branches, drops a term that another contains, and joins two that differ on one axis only.
"""

from __future__ import annotations

from math import lcm

from rfscale.engine.footprints.pixel_sets import Family

Term = tuple[Family, ...]

MAX_TERMS = 64  # one bit each in the kernels' masks; above, footprints come from bit grids (backward.py)


class Comparisons:
    """Remembers how families compare: the axes of square networks share their families.

    Keys are identities; the trace that owns this keeps every family alive while it is in use.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], int] = {}
        self._alive: list[Family] = []

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, a: Family, b: Family) -> int:
        if a is b:
            return 3
        key = id(a), id(b)
        code = self._known.get(key)
        if code is None:
            code = self._known[key] = a.compare(b)
            self._alive += (a, b)
        return code


def unite(branches: list[list[Term]], compare: Comparisons) -> list[Term] | None:
    """Return the terms of a merge, or None where they are more than `MAX_TERMS`."""
    kept = _container(branches, compare)
    if kept is not None:
        return kept
    terms: list[Term] = []
    for branch in _aligned(branches):
        for term in branch:
            _insert(terms, term, compare)
            if len(terms) > MAX_TERMS:
                return None
    return terms


def _container(branches: list[list[Term]], compare: Comparisons) -> list[Term] | None:
    """The one branch that contains the others, if all are single products: what residual networks come to."""
    largest = branches[0]
    for branch in branches[1:]:
        if len(branch) > 1 or len(largest) > 1:
            return None
        over, under = True, True
        for a, b in zip(largest[0], branch[0], strict=True):
            code = compare(a, b) if len(a) == len(b) else 0
            over, under = over and bool(code & 1), under and bool(code & 2)
        if not over and not under:
            return None
        largest = largest if over else branch
    return largest


def _insert(terms: list[Term], new: Term, compare: Comparisons) -> None:
    again = True
    while again:
        again = False
        for i, old in enumerate(terms):
            codes = [compare(a, b) for a, b in zip(old, new, strict=True)]
            if all(c & 1 for c in codes):
                return
            if all(c & 2 for c in codes):
                del terms[i]
                again = True
                break
            differing = [a for a, c in enumerate(codes) if c != 3]
            if len(differing) == 1:
                axis = differing[0]
                new = (*new[:axis], old[axis].unite(new[axis]), *new[axis + 1 :])
                del terms[i]
                again = True
                break
    terms.append(new)


def _aligned(branches: list[list[Term]]) -> list[list[Term]]:
    """The same branches, their interior families listed over one number of phases per axis."""
    every = [term for branch in branches for term in branch]
    counts = [{len(term[a]) for term in every} for a in range(len(every[0]))]
    if all(len(c) == 1 for c in counts):
        return branches
    phases = [lcm(*c) for c in counts]
    return [[tuple(f.listed(n) for f, n in zip(term, phases, strict=True)) for term in branch] for branch in branches]
