"""Skips: the output of an earlier stage, added to what comes before or concatenated with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.spec import listed
from rfscale.sweeps.spaces.graphs.branches import branch_layers
from rfscale.sweeps.spaces.graphs.wiring import MERGES, Block, Part, Wirer, flat_blocks

NO_SKIP = "none"
SKIP_KEYS = ("name", "from", "skip", "through", "merge", "aligned")


@dataclass(frozen=True)
class Skip(Part):
    """Merges what comes before with the output of another stage, `stages[i]` for each choice; `NO_SKIP` is none.

    `through` are the layers that the skip passes; `factor` chooses where there is a choice.
    """

    stages: tuple[str, ...]
    through: tuple[Block, ...]
    merge: str
    aligned: bool
    factor: str | None = None

    def wire(self, wirer: Wirer, at: int | None) -> int | None:
        """Wire the skip that is chosen."""
        stage = self.stages[0 if self.factor is None else wirer.chosen[self.factor]]
        if stage == NO_SKIP:
            return at
        return wirer.merged([at, wirer.series(self.through, wirer.output_of(stage))], self.merge, self.aligned)

    def layers(self) -> list[Mapping[str, Any]]:
        """Return the parameters of the layers that the skip passes."""
        return flat_blocks(self.through)

    @property
    def sources(self) -> tuple[str, ...]:
        """The stages that it may read."""
        return tuple(stage for stage in self.stages if stage != NO_SKIP)


def read_skip(
    given: Mapping[str, Any], what: str, block: Callable[[object, str], Block], earlier: Sequence[str], factor: str
) -> Skip:
    """Return the skip of a mapping with "skip", "through", "merge" and "aligned"."""
    merge, aligned = given.get("merge", "add"), given.get("aligned", True)
    if merge not in MERGES:
        raise InputError(f"merge of {what} is {shown(merge)}; it must be add or concat")
    if not isinstance(aligned, bool):
        raise InputError(f"aligned of {what} is {shown(aligned)}; it must be true or false")
    choices = listed(given["skip"])
    names = [given["skip"]] if choices is None else choices
    if not names:
        raise InputError(f"skip of {what} is {shown(given['skip'])}; give the name of an earlier stage")
    for name in names:
        if name != NO_SKIP or choices is None:
            earlier_stage(name, f"skip of {what}", earlier)
    if len(set(names)) < len(names):
        raise InputError(f"skip of {what} is {shown(given['skip'])}; its names must differ")
    through, _ = branch_layers(given.get("through", []), f"through of {what}")
    blocks = tuple(block(layer, f"through of {what}") for layer in through)
    return Skip(tuple(names), blocks, merge, aligned, None if choices is None else factor)


def earlier_stage(name: object, what: str, earlier: Sequence[str]) -> str:
    """Return the name of an earlier stage, or that of the image."""
    known = [*earlier, IMAGE]
    if not isinstance(name, str) or name not in known:
        raise InputError(f"{what} is {shown(name)}, which is no earlier stage; {nearest(name, known)}")
    return name
