"""What judges the models of the survey: at a smaller size where the figures are the same, with little memory."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch


def made(pooled, size=320):
    """A model for one size; `pooled`: of a kind whose windows follow that."""
    from tests.survey.subjects import Made

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.AvgPool2d(size // 32 if pooled else 2)

        def forward(self, x):
            assert x.shape[-1] == size
            return self.last(self.conv(x))

    return Made(Net(), (1, 3, size, size), smaller=lambda n: made(pooled, n))


@pytest.mark.parametrize(("pooled", "size"), [(False, 64), (True, 320)])
def test_a_model_of_a_size_is_judged_at_a_smaller_one_only_where_its_figures_are_the_same(pooled, size):
    from tests.survey.judges import ENTRIES, by_values
    from tests.survey.subjects import Subject

    found = by_values(Subject("timm:x", "f", lambda: made(pooled)))
    assert found == {"compared": ENTRIES, "differing": [], "size": [size, size]}


def test_a_model_that_cannot_share_its_memory_has_values_of_its_own():
    from tests.survey.judges import ENTRIES, by_values
    from tests.survey.subjects import Made, Subject

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, 2, 1)
            self.register_buffer("twice", 2 * self.conv.weight.data)

        def forward(self, x):
            return nn.functional.conv2d(self.conv(x), self.twice[:, :1].expand(4, 4, 3, 3))

    found = by_values(Subject("timm:x", "f", lambda: Made(Net(), (1, 3, 40, 40))))
    assert (found["compared"], found["differing"]) == (ENTRIES, [])
