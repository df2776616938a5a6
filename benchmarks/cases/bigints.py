"""Comparator: the engine's own algorithm in plain Python, a set of pixels as one big integer.

Products and containment as in engine/footprints/forward.py, and shared work likewise: fast for Python, and what
compiled code has to beat.
"""

from __future__ import annotations

from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.network import Network

Row = list[int]  # the set of every entry, bit b for pixel b


def trace(network: Network, input_size: tuple[int, int], global_ops: str = "skip") -> list[list[tuple[Row, Row]]]:
    """Return the terms of every layer."""
    plan = resolve(network, input_size, global_ops)  # type: ignore[arg-type]
    image = [1 << i for i in range(max(input_size))]
    terms: list[list[tuple[Row, Row]]] = []
    cache: dict[tuple[int, int, int], Row] = {}
    start = [(image[: input_size[0]], image[: input_size[1]])]
    if input_size[0] == input_size[1]:
        start = [(start[0][0], start[0][0])]
    for step in plan.steps:
        branches = [start if s < 0 else terms[s] for s in step.sources]
        if step.maps is None:
            terms.append(_union([t for b in branches for t in b]))
        else:
            out = []
            for term in branches[0]:
                rows = []
                for row, layer, n in zip(term, step.maps, step.size or (), strict=True):
                    key = id(row), id(layer), n
                    if key not in cache:
                        cache[key] = row if layer.is_identity and n == len(row) else _apply(row, layer, n)
                    rows.append(cache[key])
                out.append((rows[0], rows[1]))
            terms.append(out)
    return terms


def _apply(row: Row, layer, n: int) -> Row:  # type: ignore[no-untyped-def]
    size, up, down, taps = len(row), layer.up, layer.down, layer.taps
    out = []
    for o in range(n):
        m, r = divmod(o, up)
        bits = 0
        for t in taps[r]:
            i = down * m + t
            if 0 <= i < size:
                bits |= row[i]
        out.append(bits)
    return out


def _contains(a: tuple[Row, Row], b: tuple[Row, Row]) -> bool:
    return all(x is y or all(not q & ~p for p, q in zip(x, y, strict=True)) for x, y in zip(a, b, strict=True))


def _union(terms: list[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    out: list[tuple[Row, Row]] = []
    for term in terms:
        if any(_contains(o, term) for o in out):
            continue
        out = [o for o in out if not _contains(term, o)]
        out.append(term)
    return out
