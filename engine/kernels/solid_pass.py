"""One pass over a whole network whose sets have no holes: a flat program of layers in, flat numbers of families out.

A family is the sets of all entries of a map along one axis. Entry o = period·q + u has the pixels from
max(lowest, first[u] + repeat·q) to min(highest, last[u] + repeat·q): without borders the sets repeat, and a border cuts
them at the same pixel for every entry. A layer keeps that form where its windows read neighbouring sets that touch, so
it costs the same for a map of any size. Where a layer does not, its families are left out, and so are those downstream.

Plain Python, which works on lists as well as on arrays: `compiled_pass` compiles the same functions.
"""

from __future__ import annotations

from typing import Any

FAR = 1 << 61  # stands for "no border", and for an end that a border alone decides
ENDLESS = 1 << 60  # entries of a map without borders
MAX_PERIOD = 1 << 12  # sets of one period that are written out
MAX_STEP = 1 << 28  # of taps and sizes, and
MAX_PIXEL = 1 << 32  # of pixels and the jump: their products fit in 64 bits

# of a program: the word that an instruction begins with
WINDOW, MERGE, UNKNOWN = 0, 1, 2

# of a family: where its numbers are, counted from FIELDS times its number
BOUNDS, PERIOD, REPEAT, LOWEST, HIGHEST, ENTRIES, RISING = 0, 1, 2, 3, 4, 5, 6
FIELDS = 7

Numbers = Any  # a list of int, or an int64 array


def first_of(families: Numbers, bounds: Numbers, at: int, entry: int) -> int:
    """First pixel of an entry's set, before the border cuts it; `at` is FIELDS times the family's number."""
    q = entry // families[at + PERIOD]
    u = entry - q * families[at + PERIOD]
    return bounds[families[at + BOUNDS] + 2 * u] + families[at + REPEAT] * q


def last_of(families: Numbers, bounds: Numbers, at: int, entry: int) -> int:
    """Last pixel, as `first_of`."""
    q = entry // families[at + PERIOD]
    u = entry - q * families[at + PERIOD]
    return bounds[families[at + BOUNDS] + 2 * u + 1] + families[at + REPEAT] * q


def touches(families: Numbers, bounds: Numbers, at: int, step: int) -> bool:
    """Whether each set has a pixel of that `step` entries on, or ends beside it."""
    for i in range(min(families[at + PERIOD], families[at + ENTRIES] - step)):
        if last_of(families, bounds, at, i) + 1 < first_of(families, bounds, at, i + step):
            return False
    return True


def closed(families: Numbers, bounds: Numbers, at: int) -> None:
    """Complete a family whose bounds stand: whether they rise, and borders no wider than its outermost sets."""
    period, n = families[at + PERIOD], families[at + ENTRIES]
    families[at + RISING] = 1
    for u in range(period):
        if first_of(families, bounds, at, u) > first_of(families, bounds, at, u + 1):
            families[at + RISING] = 0
        if last_of(families, bounds, at, u) > last_of(families, bounds, at, u + 1):
            families[at + RISING] = 0
    if n < ENDLESS and families[at + RISING]:
        families[at + LOWEST] = max(families[at + LOWEST], first_of(families, bounds, at, 0))
        families[at + HIGHEST] = min(families[at + HIGHEST], last_of(families, bounds, at, n - 1))


def windowed(code: Numbers, table: int, families: Numbers, bounds: Numbers, before: int, at: int, size: int) -> bool:
    """Make the family at `at`, whose BOUNDS stand, that a layer makes of the one at `before`; False where it cannot.

    `table` is where the layer's axis map stands in the program: up, down, the most entries from a tap of a phase to the
    next, then the first and last tap of each phase. `size` entries are made.
    """
    up, down, step = code[table], code[table + 1], code[table + 2]
    n = families[before + ENTRIES]
    finite = n < ENDLESS
    if not families[before + RISING] or families[before + REPEAT] > MAX_PIXEL:
        return False
    if step > 0 and not touches(families, bounds, before, step):
        return False
    families[at + LOWEST] = families[before + LOWEST]
    families[at + HIGHEST] = families[before + HIGHEST]
    families[at + ENTRIES] = size
    if down == 0:  # every output reads all entries
        families[at + PERIOD], families[at + REPEAT], families[at + RISING] = 1, 0, 1
        bounds[families[at + BOUNDS]], bounds[families[at + BOUNDS] + 1] = -FAR, FAR
        return True
    if finite and not reaches_inside(code, table, families, bounds, before, size):
        return False
    period = families[before + PERIOD]
    blocks = 1
    while blocks * down % period:
        blocks += 1
    families[at + PERIOD] = up * blocks
    families[at + REPEAT] = families[before + REPEAT] * (blocks * down // period)
    to = families[at + BOUNDS]
    for m in range(blocks):
        for r in range(up):
            taps = table + 3 + 2 * r
            low = first_of(families, bounds, before, down * m + code[taps])
            high = last_of(families, bounds, before, down * m + code[taps + 1])
            if (low < -MAX_PIXEL or high > MAX_PIXEL) and families[before + REPEAT]:
                return False
            bounds[to], bounds[to + 1] = low, high
            to += 2
    closed(families, bounds, at)
    return True


def reaches_inside(code: Numbers, table: int, families: Numbers, bounds: Numbers, before: int, size: int) -> bool:
    """Whether every output of a finite map reads an entry, and one that the border cuts reads the outermost pixel."""
    up, down, step = code[table], code[table + 1], code[table + 2]
    n = families[before + ENTRIES]
    if step > n:
        return False
    cut_before = cut_after = False
    for r in range(min(up, size)):
        first, last = code[table + 3 + 2 * r], code[table + 4 + 2 * r]
        move = down * ((size - 1 - r) // up)
        if last < 0 or first + move > n - 1:
            return False
        cut_before = cut_before or first < 0
        cut_after = cut_after or last + move > n - 1
    if step > 1:  # the outermost entries that are read may be up to `step` - 1 from the border
        if cut_before and first_of(families, bounds, before, step - 1) > families[before + LOWEST]:
            return False
        if cut_after and last_of(families, bounds, before, n - step) < families[before + HIGHEST]:
            return False
    return True


def contains(families: Numbers, bounds: Numbers, a: int, b: int) -> bool:
    """Whether each set of the family at `a` is known to contain that of the same entry of the one at `b`.

    Both have as many entries; without borders they have one jump.
    """
    if a == b:
        return True
    n = families[a + ENTRIES]
    if families[a + LOWEST] > families[b + LOWEST] or families[a + HIGHEST] < families[b + HIGHEST]:
        return False
    alike = families[a + REPEAT] * families[b + PERIOD] == families[b + REPEAT] * families[a + PERIOD]
    period = families[a + PERIOD]
    while period % families[b + PERIOD]:
        period += families[a + PERIOD]
        if period > MAX_PERIOD:
            return False
    for u in range(min(period, n)):
        # from one such entry to the next both move evenly, so that the first and the last tell of all
        for entry in (u, u if alike else u + (n - 1 - u) // period * period):
            if first_of(families, bounds, a, entry) > first_of(families, bounds, b, entry):
                return False
            if last_of(families, bounds, a, entry) < last_of(families, bounds, b, entry):
                return False
    return True


def container(code: Numbers, pc: int, ndim: int, nodes: Numbers, families: Numbers, bounds: Numbers) -> int:
    """The branch of a merge that contains the others, -1 where none is known to; `pc` is where its branches stand."""
    largest = code[pc + 1]
    for i in range(code[pc]):
        branch = code[pc + 1 + i]
        over = under = True
        for axis in range(ndim):
            a, b = nodes[branch * ndim + axis], nodes[largest * ndim + axis]
            if a < 0 or b < 0:
                return -1
            over = over and contains(families, bounds, b * FIELDS, a * FIELDS)
            under = under and contains(families, bounds, a * FIELDS, b * FIELDS)
        if not over and not under:
            return -1
        if not over:
            largest = branch
    return int(largest)


def after_merge(
    code: Numbers,
    pc: int,
    ndim: int,
    node: int,
    nodes: Numbers,
    families: Numbers,
    bounds: Numbers,
    made: int,
    used: int,
) -> tuple[int, int]:
    """Families of a node after a merge. Returns how many there are, and used bounds.

    Without borders they are written out over a period of all branches.
    """
    source = container(code, pc + 1, ndim, nodes, families, bounds)
    for axis in range(ndim):
        to = node * ndim + axis
        nodes[to] = nodes[source * ndim + axis] if source >= 0 else -1
        at = nodes[to] * FIELDS
        if source < 0 or families[at + ENTRIES] < ENDLESS:
            continue
        period = families[at + PERIOD]
        for i in range(code[pc + 1]):
            other = nodes[code[pc + 2 + i] * ndim + axis] * FIELDS
            while period % families[other + PERIOD]:
                period += families[at + PERIOD]
        if period == families[at + PERIOD]:
            continue
        alike = axis > 0 and nodes[source * ndim + axis] == nodes[source * ndim + axis - 1] != nodes[to - 1]
        if alike and families[nodes[to - 1] * FIELDS + PERIOD] == period:
            nodes[to] = nodes[to - 1]  # as on the axis before
            continue
        new = made * FIELDS
        for field in range(FIELDS):
            families[new + field] = families[at + field]
        families[new + BOUNDS], families[new + PERIOD] = used, period
        families[new + REPEAT] = families[at + REPEAT] * (period // families[at + PERIOD])
        for u in range(period):
            bounds[used + 2 * u] = first_of(families, bounds, at, u)
            bounds[used + 2 * u + 1] = last_of(families, bounds, at, u)
        nodes[to] = made
        made, used = made + 1, used + 2 * period
    return made, used


def after_window(
    code: Numbers,
    pc: int,
    ndim: int,
    node: int,
    nodes: Numbers,
    families: Numbers,
    bounds: Numbers,
    made: int,
    used: int,
) -> tuple[int, int]:
    """Families of a node after a window; axes that are alike share one. Returns how many there are, and used bounds."""
    source = code[pc + 1]
    for axis in range(ndim):
        before, at = nodes[source * ndim + axis], pc + 2 + 2 * axis
        after = -1
        for other in range(axis):
            alike = code[at] == code[pc + 2 + 2 * other] and code[at + 1] == code[pc + 3 + 2 * other]
            if alike and nodes[source * ndim + other] == before:
                after = nodes[node * ndim + other]
        if after < 0 <= before:
            families[made * FIELDS + BOUNDS] = used
            if windowed(code, code[at], families, bounds, before * FIELDS, made * FIELDS, code[at + 1]):
                after = made
                used += 2 * families[made * FIELDS + PERIOD]
                made += 1
        if after < 0:  # one axis alone is no footprint
            for other in range(ndim):
                nodes[node * ndim + other] = -1
            return made, used
        nodes[node * ndim + axis] = after
    return made, used


def follow(code: Numbers, pc: int, ndim: int, nodes: Numbers, families: Numbers, bounds: Numbers) -> int:
    """Run a program, and return how many nodes are left out.

    Parameters
    ----------
    code : list of int, or int64 array
        Tables of axis maps, and from `pc` on one instruction for each node after the image: WINDOW, its
        source, and for each axis the table and how many entries it makes; MERGE, the number of branches, and these;
        UNKNOWN for a node without families.
    ndim : int
        Axes.
    nodes : list of int, or int64 array (nodes·ndim,)
        The families of the image stand in front; gets those of each node, -1 where they are left out.
    families : list of int, or int64 array
        FIELDS numbers for each family; those of the image stand.
    bounds : list of int, or int64 array
        First and last pixel of each set of a period, family by family; those of the image stand.
    """
    node, made, left_out = 1, 1, 0
    for axis in range(ndim):
        made = max(made, nodes[axis] + 1)
    used = 2 * made
    while pc < len(code):
        if code[pc] == WINDOW:
            made, used = after_window(code, pc, ndim, node, nodes, families, bounds, made, used)
            pc += 2 + 2 * ndim
        elif code[pc] == MERGE:
            made, used = after_merge(code, pc, ndim, node, nodes, families, bounds, made, used)
            pc += 2 + code[pc + 1]
        else:
            for axis in range(ndim):
                nodes[node * ndim + axis] = -1
            pc += 1
        if nodes[node * ndim] < 0:
            left_out += 1
        node += 1
    return left_out


def list_sets(families: Numbers, made: int, bounds: Numbers, begin: Numbers, first: Numbers, last: Numbers) -> None:
    """Write down the first and last pixel of every set of the first `made` families, one family after the other.

    Those of family f stand from begin[f] to begin[f + 1]: one for each entry, or without borders for each of a period.
    """
    for f in range(made):
        at = f * FIELDS
        u = move = 0
        for i in range(begin[f], begin[f + 1]):
            place = families[at + BOUNDS] + 2 * u
            first[i] = max(bounds[place] + move, families[at + LOWEST])
            last[i] = min(bounds[place + 1] + move, families[at + HIGHEST])
            u += 1
            if u == families[at + PERIOD]:
                u, move = 0, move + families[at + REPEAT]
