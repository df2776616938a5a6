"""Spaces: sets of networks described by their choices. docs/spaces.md describes the file format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, islice
from math import prod
from operator import mul
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from rfscale.engine.errors import InputError, nearest, shown, visible
from rfscale.engine.network.spec import AXES, listed, per_axis, stated_axes, text_name, whole
from rfscale.sweeps.spaces.display import count, space_html, space_text, stage_columns
from rfscale.sweeps.spaces.graphs.cell import FOLDED_FROM
from rfscale.sweeps.spaces.graphs.layer_spec import layer_spec
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, NO_PATH, ChainLayer, Given, Wired, source_of
from rfscale.sweeps.spaces.index import Labelled
from rfscale.sweeps.spaces.plain_data import copied, json_text
from rfscale.sweeps.spaces.stage_reader import StageReader, read_stages
from rfscale.sweeps.spaces.stages import PER_AXIS, Factor, Stage, factor_values

if TYPE_CHECKING:
    from rfscale.engine.network.network import Network

SPACE_KEYS = ("name", "factors", "ops", "cells", "stages", "axes", "input_size", "input_channels", "channels")


class Space(Labelled):
    """A set of networks: stages in order, each with its choices. Made by `from_dict` or `from_file`.

    Attributes
    ----------
    name : str
    stages : tuple of Stage
    factors : tuple of Factor
        Every choice, in the order of the dims: stage by stage, a stage's own before the shared ones it is first to use.
    introduced : tuple of tuple of str
        Per stage, the factors that join the dims there.
    axes : tuple of str
        Spatial axes of the networks.
    square : bool
        Whether every window is alike on all axes, so that figures are per axis only once.
    branching : bool
        Whether some stage has branches: footprints are unions then, and figures those of the plane.
    scaled : bool
        Whether stages read the output of others than the one before, or upsample; these are branching, too.
    input_size : tuple of int or None
        Pixels per axis, for macs.
    channels : tuple of int or None
        Base channels and growth at each stride, for params and macs.
    stage_sizes : tuple of int
        Number of architectures up to each stage: the size of its dataset.
    folded : dict of str to int
        Factors of cells of more choices than tables hold, each with the stage that introduces it.
    reads_pairs : bool
        Whether some stage reads the map before the last one too, or has such a cell.
    hash : str
        Hex digest of all but the space's name.

    Raises
    ------
    InputError
        One line for anything that is not a space.

    Examples
    --------
    >>> stages = [{"name": "s1", "kernel": [3, 5], "repeat": [0, 1, 2]}, {"name": "s2", "kernel": 3}]
    >>> space = Space.from_dict({"stages": stages})
    >>> space.size, space.dims
    (6, {'s1_kernel': (3, 5), 's1_repeat': (0, 1, 2)})
    >>> [layer.name for layer in space.network({"s1_kernel": 5, "s1_repeat": 2}).layers]
    ['s1.1', 's1.2', 's2']
    """

    stages: tuple[Stage, ...]
    introduced: tuple[tuple[str, ...], ...]
    axes: tuple[str, ...]
    square: bool
    branching: bool
    scaled: bool
    input_size: tuple[int, ...] | None
    input_channels: int
    channels: tuple[int, int] | None
    stage_sizes: tuple[int, ...]
    folded: dict[str, int]
    reads_pairs: bool
    hash: str
    _spec: dict[str, Any]

    def __init__(self, spec: Mapping[str, Any]) -> None:
        if not isinstance(spec, Mapping):
            raise InputError(f"a space must be a mapping with 'stages', not {shown(spec)}")
        for key in spec:
            if key not in SPACE_KEYS:
                raise InputError(f"a space has no {shown(key)}; {nearest(key, SPACE_KEYS)}")
        name = text_name(spec.get("name", "space"), "name of the space")
        kept = copied({k: v for k, v in spec.items() if v is not None})
        given = listed(spec.get("stages"))
        if not given:
            raise InputError("a space needs 'stages', a list of at least one stage")
        ndim = _count_axes(spec, given)
        size = spec.get("input_size")
        input_size = None if size is None else per_axis(size, "input_size", ndim)
        input_channels = whole(spec.get("input_channels", 3), "input_channels")
        channels = _read_channels(spec.get("channels"))
        shared = _read_shared(spec.get("factors"))
        stages, introduced, factors = read_stages(
            StageReader(shared, ndim, spec.get("cells"), spec.get("ops")), given, channels is not None
        )
        sizes = {f.name: len(f.labels) for f in factors}
        values = {f.name: f.values for f in factors}
        unlike = [*{id(s.choices) if s.choices else id(s): s for s in stages}.values()]  # most are like another
        scaled = any(s.source for s in stages) or any(s.sources or s.upsamples(values) for s in unlike)
        branching = scaled or any(s.branching for s in unlike)
        square = ndim == 1 or _is_square(unlike, factors, branching)
        celled = any(s.cell for s in unlike)
        stages = _folded_together(stages) if celled else stages
        pairs = celled and any(stage.reads_earlier or stage.folded for stage in stages)
        if scaled and pairs:
            raise InputError(
                f"space {name!r} has skips or upsampling, and cells of two inputs or of more than 2^20 choices",
                remedy="write the networks as a function and use rf.NetworkSpace(function, factors)",
            )
        super().__init__(
            name,
            factors,
            stages=stages,
            introduced=introduced,
            axes=AXES[ndim],
            square=square,
            branching=branching,
            scaled=scaled,
            input_size=input_size,
            input_channels=input_channels,
            channels=channels,
            stage_sizes=tuple(accumulate([prod([sizes[n] for n in new]) for new in introduced], mul)),
            folded={n: i for i, s in enumerate(stages) if celled and s.cell and s.folded for n in introduced[i]},
            reads_pairs=pairs,
            _spec=kept,
        )
        vars(self)["hash"] = self._digest()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._spec,)

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> Self:
        """Return the space of a dict (docs/spaces.md)."""
        return cls(spec)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Return the space of a YAML or JSON file."""
        from rfscale.engine.files import read_mapping

        spec = read_mapping(path)
        try:
            return cls(spec)
        except InputError as error:
            raise error.within(str(path)) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the dict of this space; `from_dict` is the inverse."""
        return copied(self._spec)

    def _digest(self) -> str:
        spec = {k: v for k, v in self._spec.items() if k != "name"}
        text = json_text(spec, _plain, sort_keys=True)
        # the order of keys decides that of the dims
        return hashlib.sha256((text + repr(self.dims)).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<Space {visible(self._title())}>"

    def _title(self) -> str:
        size = count(self.size)
        return f"{self.name}: {len(self.stages)} stages, {len(self.factors)} factors, {size} architectures"

    def __str__(self) -> str:
        return space_text(self._title(), stage_columns(self), len(self.stages))

    def _repr_html_(self) -> str:
        return space_html(self._title(), stage_columns(self), len(self.stages))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.name == other.name and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def stage_index(self, name: str) -> int:
        """Return the position of a stage."""
        for i, stage in enumerate(self.stages):
            if stage.name == name:
                return i
        raise InputError(
            f"space {self.name!r} has no stage {shown(name)}; {nearest(name, [s.name for s in self.stages])}"
        )

    def stage_dims(self, stage: int) -> dict[str, tuple[Any, ...]]:
        """Return the labels of the factors met up to stage number `stage`."""
        return {n: self.dims[n] for new in self.introduced[: stage + 1] for n in new}

    def layers(self, where: int | Mapping[Any, Any]) -> dict[str, list[ChainLayer]]:
        """Return the layers of one architecture, stage by stage."""
        chosen = self.chosen(where)
        return {s.name: s.layers(chosen, len(self.axes)) for s in self.stages}

    def wirings(self, where: int | Mapping[Any, Any]) -> dict[str, Wired]:
        """Return the layers of one architecture, stage by stage, and what each of them reads."""
        chosen, given, out = self.chosen(where), Given(), {}
        for i, stage in enumerate(self.stages):
            keep = i + 1 < len(self.stages) and self.stages[i + 1].reads_earlier
            out[stage.name] = wired = stage.wired(chosen, len(self.axes), given, keep)
            given = wired.given(given, stage.maps(chosen))
        return out

    def _named(self, wirings: Mapping[str, Wired]) -> Iterator[tuple[str, list[str | None]]]:
        """Yield, stage by stage, the names of what it reads and of its nodes; None: no path leads there."""
        last: str | None = "input"
        earlier: str | None = None
        outputs: dict[str, str | None] = {}
        for stage in self.stages:
            nodes, kept, _ = wirings[stage.name]
            names, count = [last], 0
            for node in nodes:
                source = source_of(node)
                if source is not None:
                    names.append(outputs.get(source, "input"))
                elif node == EARLIER:
                    names.append(earlier)
                elif node == NO_PATH:
                    names.append(None)
                else:
                    count += 1
                    names.append(f"{stage.name}.{count}" if stage.numbered else stage.name)
            yield stage.name, names
            earlier, last = None if kept is None else names[kept], names[-1]
            outputs[stage.name] = last

    def outputs(self, where: int | Mapping[Any, Any]) -> dict[str, str]:
        """Return, per stage, the layer whose map the stage's figures belong to; "input" where there is none."""
        last, out = "input", {}
        for stage, names in self._named(self.wirings(where)):
            last = out[stage] = names[-1] or last
        return out

    def network(self, where: int | Mapping[Any, Any], stages: int | None = None) -> Network:
        """Return one architecture as a network.

        Parameters
        ----------
        where : int or mapping
            Number of the architecture in row-major order over `dims`, or the label of each factor; also a row of an
            answer, such as ``answer.isel(rank=0)``.
        stages : int, optional
            How many of the stages it shall have; by default all.

        Returns
        -------
        rf.Network
            Layers are named ``stage``, or ``stage.1``, ``stage.2``, ... where the stage has `repeat` or `choices`.
            Paddings keep maps aligned: dilation*(kernel - 1)//2 at the start, the rest of dilation*(kernel - 1) at the
            end.
        """
        from rfscale.engine.network.network import Network
        from rfscale.sweeps.spaces.costs import chain_channels

        wirings = self.wirings(where)
        channels = iter(chain_channels(self, wirings))
        written: list[dict[str, Any]] = []
        for stage, names in islice(self._named(wirings), stages):
            for node, name in zip(wirings[stage].nodes, names[1:], strict=True):
                channels_of = next(channels)
                if node in (EARLIER, NO_PATH) or source_of(node) is not None:
                    continue
                spec = {"op": node.layer} if isinstance(node.layer, str) else layer_spec(node.layer)
                inputs = [names[n] for n in node.inputs]
                before = written[-1]["name"] if written else "input"
                reads = {} if inputs == [before] else {"inputs": inputs}
                written.append({"name": name, **spec, **reads, **channels_of})
            if names[-1] is None and not self.reads_pairs:
                raise InputError(f"no path leads through stage {stage!r}, so that there is no network")
        if names[-1] is None:
            raise InputError(f"no path leads through stage {stage!r}, so that there is no network")
        whole_spec: dict[str, Any] = {
            "name": self.name,
            "axes": len(self.axes),
            "input_channels": self.input_channels,
        }
        if self.input_size is not None:
            whole_spec["input_size"] = list(self.input_size)
        return Network.from_dict({**whole_spec, "layers": written or [{"name": "nothing", "op": "pointwise"}]})


def _folded_together(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return stages whose cells of two inputs are known by their effects, where all together have too many choices."""
    uses = {s.cell.prefix: s.cell for s in stages if s.cell is not None and s.reads_earlier}
    if prod(use.size for use in uses.values()) <= FOLDED_FROM:
        return stages
    return tuple(
        replace(s, choices=((replace(s.cell, crowded=True),),)) if s.cell is not None and s.reads_earlier else s
        for s in stages
    )


def _is_square(stages: Sequence[Stage], factors: Sequence[Factor], branching: bool) -> bool:
    """Whether every layer is alike on all axes; where starts are only a shift of the whole footprint, that aside."""
    params = [(key, v) for s in stages for block in s.blocks for key, v in block.items()]
    values: list[Any] = [v for key, v in params if key in PER_AXIS and (branching or key != "start")]
    values += [v for known in {id(f.values): f.values for f in factors}.values() for v in known]
    values += [stage.cell.cell.stride for stage in stages if stage.cell is not None]
    return tuple not in map(type, values)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else list(value) if isinstance(value, tuple) else str(value)


def _read_channels(given: object) -> tuple[int, int] | None:
    """Return base channels and growth."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return whole(given, "channels"), 1
    for key in given:
        if key not in ("base", "growth"):
            raise InputError(f"channels has no {shown(key)}; {nearest(key, ('base', 'growth'))}")
    if "base" not in given:
        raise InputError(
            "channels needs 'base', the channels of the first convolution; for example {base: 64, growth: 2}"
        )
    return whole(given["base"], "base of channels"), whole(given.get("growth", 1), "growth of channels")


def _read_shared(given: object) -> dict[str, list[Any]]:
    """Return the values of the shared factors."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"factors is {shown(given)}; it must be a mapping such as {{k: [3, 5]}}")
    out = {}
    for name, values in given.items():
        out[name] = factor_values(name, values, "a shared factor")
    return out


def _count_axes(spec: Mapping[str, Any], stages: Sequence[Any]) -> int:
    """Return the number of spatial axes that a space says or implies: by axes, input_size or a value per axis."""
    stated = stated_axes(spec)
    if stated is not None:
        return stated
    shared = spec.get("factors")
    nested: list[Any] = list(shared.values()) if isinstance(shared, Mapping) else []
    met: dict[int, Any] = {}
    for stage in stages:
        if type(stage) is dict or isinstance(stage, Mapping):
            nested += [v for k, v in stage.items() if k in PER_AXIS]
            for part in (stage.get("choices"), stage.get("branches")):
                if part is not None and id(part) not in met:  # many stages have one list of choices
                    met[id(part)] = part  # kept, so that no other object has its number
                    nested += [[v] for k, v in _choice_values(part) if k in PER_AXIS and type(v) is not int]
    for values in nested:
        for value in listed(values) or []:
            length = len(listed(value) or [0, 0])
            if listed(value) is not None:
                if length not in AXES:
                    raise InputError(f"a value per axis is {shown(value)}; a network has 1, 2 or 3 axes")
                return length
    return 2


def _choice_values(given: object) -> list[tuple[str, Any]]:
    """Parameters of all layers of choices and branches, as far as they can be read."""
    if isinstance(given, Mapping):
        inside = [given[key] for key in ("layers", "branches", "of") if key in given]
        return [item for part in inside for item in _choice_values(part)] if inside else list(given.items())
    return [item for entry in listed(given) or [] for item in _choice_values(entry)]
