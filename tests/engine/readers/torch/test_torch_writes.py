"""Writes into parts of tensors: exact, by NaN propagation."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def started(size=(6, 5), channels=2):
    """A program with a 3×3 convolution, its result, and that of a 1×3 convolution of the image."""
    from tests.engine.readers.judges.programs import Program, Ref

    p = Program((1, 1, *size))
    wide = p.call("conv2d", Ref(0), p.rand(channels, 1, 3, 3), None, [1, 1], [1, 1])
    return p, wide, p.call("conv2d", Ref(0), p.rand(channels, 1, 1, 3), None, [1, 1], [0, 1])


@pytest.mark.parametrize(
    ("dim", "start", "stop", "step"),
    [(2, 1, 4, 1), (-1, 0, 2, 1), (3, 2, None, 1), (2, 0, None, 2), (3, 1, 5, 3), (2, -1, None, 1), (2, 0, None, 1),
     (1, 0, 1, 1), (2, 4, 2, 1)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["maps", "constant in map", "map in constant", "one entry"])
def test_slice_writes(dim, start, stop, step, kind):
    import torch

    from tests.engine.readers.judges.programs import judge

    p, wide, narrow = started()
    part = p.call("slice", narrow, dim, start, stop, step)
    if kind == "constant in map":
        part = torch.ones_like(p.of(part))
    elif kind == "one entry":
        part = p.call("expand", p.call("mean", narrow, [dim], True), list(p.of(part).shape))
    base = torch.zeros_like(p.of(wide)) if kind == "map in constant" else wide
    out = p.call("slice_scatter", base, part, dim, start, stop, step)
    judge(p, out)


@pytest.mark.parametrize(("dim", "index"), [(2, 0), (2, -1), (3, 2), (1, 1)])
@pytest.mark.parametrize("constant", [False, True])
def test_select_writes(dim, index, constant):
    import torch

    from tests.engine.readers.judges.programs import judge

    p, wide, narrow = started()
    part = p.call("select.int", narrow, dim, 1)
    out = p.call("select_scatter", wide, torch.ones_like(p.of(part)) if constant else part, dim, index)
    judge(p, out)


def test_entries_written_one_by_one():
    import torch

    from tests.engine.readers.judges.programs import judge

    p, wide, narrow = started()
    out = torch.zeros_like(p.of(wide))
    for i in range(5):
        row = p.call("select.int", wide if i % 2 else narrow, 3, i)
        out = p.call("select_scatter", out, row, 3, 4 - i)
    judge(p, out)


@pytest.mark.parametrize("op", ["index_add", "scatter_add", "index_copy", "scatter.src"])
@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("onto", ["map", "zeros"])
@pytest.mark.parametrize("table", [[0, 3], [4, 0, 1], [2, 1, 0, 1, 2, 0], [0, 0, 1, 1], [3, 3, 3]])
def test_entries_written_or_added_by_a_table(op, dim, onto, table):
    """What is added leaves what is there, and several entries to one place are all added."""
    import torch

    from tests.engine.readers.judges.programs import judge

    if "add" not in op and len(set(table)) < len(table):
        return  # which of several is written is not said
    p, wide, narrow = started((8, 8))
    rows = p.call("slice", narrow, dim, 2, 2 + len(table))
    index = torch.tensor(table)
    if op.startswith("scatter"):
        index = index.view([-1 if d == dim else 1 for d in range(4)]).expand(p.of(rows).shape).contiguous()
    out = p.call(op, wide if onto == "map" else torch.zeros_like(p.of(wide)), dim, index, rows)
    judge(p, out)


@pytest.mark.parametrize("op", ["index_reduce", "scatter_reduce.two"])
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("table", [[0, 3], [4, 0, 4], [7, 6, 5, 4, 3, 2, 1, 0]])
def test_entries_combined_without_those_that_are_there(op, keeps, table):
    import torch

    from tests.engine.readers.judges.programs import judge

    p, wide, narrow = started((8, 8))
    rows = p.call("slice", narrow, 2, 0, len(table))
    index = torch.tensor(table)
    if op.startswith("scatter"):
        index = index.view(1, 1, -1, 1).expand(p.of(rows).shape).contiguous()
    judge(p, p.call(op, wide, 2, index, rows, "mean", include_self=keeps))
