"""Reads the stages of a space, and says in one line what is no stage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import MAX_VALUE, listed
from rfscale.sweeps.spaces.graphs.branches import branch_layers, read_branches
from rfscale.sweeps.spaces.graphs.cell import AnyCell, Cell, CellUse
from rfscale.sweeps.spaces.graphs.cell_reader import read_cells, read_ops
from rfscale.sweeps.spaces.graphs.skip import SKIP_KEYS, earlier_stage, read_skip
from rfscale.sweeps.spaces.graphs.wiring import Block, Parallel
from rfscale.sweeps.spaces.stages import (
    PARAMS,
    PER_AXIS,
    REQUIRED,
    Factor,
    Ref,
    Stage,
    Value,
    check_name,
    check_op,
    check_value,
    label_values,
    make_factor,
)

MAX_CHOICES = 1 << 20  # of one stage: more is a typo


class StageReader:
    """Reads stages one by one, knowing the shared factors of the space and the axes."""

    def __init__(
        self, shared: Mapping[str, Sequence[Any]], ndim: int, cells: object = None, ops: object = None
    ) -> None:
        self.shared, self.ndim = shared, ndim
        self.cells: Mapping[str, Cell | AnyCell] = {}
        self.own: list[Factor] = []
        self.uses: list[str] = []
        self.earlier: list[str] = []  # names of the stages so far
        if cells is not None or ops is not None:
            self.cells = read_cells(cells, read_ops(ops, StageReader({}, ndim)._block), ndim)
        self.found: dict[str, Factor] = {}  # shared factors by first use
        # choices that were read, as other stages have the same as a rule: by their text, and by the number of an object
        self._known: dict[str, Any] = {}
        self._known_objects: dict[int, Any] = {}

    def read(self, given: object, position: int) -> Stage:
        """Return the stage of one mapping."""
        if type(given) is not dict and not isinstance(given, Mapping):
            raise InputError(
                f"stage {position} is {shown(given)}; it must be a mapping such as {{name: s1, kernel: 3}}"
            )
        name = check_name(given.get("name", f"stage{position}"), f"stage {position}")
        what = f"stage {name!r}"
        params: dict[str, Value | Ref] = {}
        choices: tuple[Any, ...] | None = None
        self.own, self.uses = [], []
        source = None
        if given.get("from") is not None:
            source = earlier_stage(given["from"], f"from of {what}", self.earlier)
            given = {key: value for key, value in given.items() if key != "from"}
        if "skip" in given:
            self._check_keys(given, SKIP_KEYS, f"{what} with a skip")
            choices = ((self._skip(given, name, what),),)
        elif "cell" in given:
            self._check_keys(given, ("name", "cell", "repeat", "own"), f"{what} with a cell")
            params, choices = self._cell(given, name, what)
        elif "branches" in given:
            self._check_keys(given, ("name", "branches", "merge", "aligned", "repeat"), f"{what} with branches")
            params, choices = self._branches(given, name, what)
        elif "choices" in given:
            self._check_keys(given, ("name", "choices", "repeat"), f"{what} with choices")
            params, choices = {}, None
            for key in given:
                if key == "choices":
                    choices = self._choices(given[key], name)
                    params["choice"] = Ref(f"{name}_choice")
                elif key == "repeat":
                    params[key] = self._param(key, given[key], name, what)
        else:
            choices = None
            params = self._params(given, name, what, ("name", "op", "repeat", "stride_at"), factors=True)
        self.earlier.append(name)
        return Stage(name, params, choices, tuple(self.own), tuple(self.uses), source)

    def _skip(self, given: Mapping[str, Any], name: str, what: str) -> Block:
        """Return the skip of a stage; a list of stages is a factor."""
        skip = read_skip(given, what, self._block, self.earlier, f"{name}_skip")
        if skip.factor is not None:
            self.own.append(Factor(skip.factor, tuple(range(len(skip.stages))), skip.stages))
            self.uses.append(skip.factor)
        return skip

    def _check_keys(self, given: Mapping[str, Any], known: Sequence[str], what: str) -> None:
        for key in given:
            if key == "padding":
                raise InputError(
                    f"{what} has 'padding'; a space chooses it itself, dilation*(kernel-1)//2 at the start; drop it"
                )
            if key not in known:
                raise InputError(f"{what} has an unknown key {shown(key)}; {nearest(key, known)}")

    def _params(
        self, given: Mapping[str, Any], name: str, what: str, extra: tuple[str, ...], *, factors: bool
    ) -> dict[str, Value | Ref]:
        """Return the checked parameters of a layer; lists are factors only if `factors`."""
        op = given.get("op", "conv")
        one = type(op) is str and op in PARAMS
        ops, known = ([op], PARAMS[op]) if one else self._ops(op, what, factors)
        self._check_keys(given, (*extra, *known) if ops else tuple(given), what)
        for op in ops:
            if op in REQUIRED and given.get(REQUIRED[op]) is None:
                raise InputError(f"{what} needs {REQUIRED[op]!r} (op {op})")
        out: dict[str, Value | Ref] = {}
        for key, value in given.items():
            if key == "name" or value is None:
                continue
            if type(value) is int and PER_AXIS.get(key, MAX_VALUE) <= value < MAX_VALUE:  # by far the most
                out[key] = value
            elif factors:
                out[key] = self._param(key, value, name, what)
            else:
                out[key] = self._constant(key, value, f"{key} of {what}")
        if "stride_at" in out and "stride" not in out:
            raise InputError(f"{what} has 'stride_at' but no 'stride'; add stride, or leave stride_at out")
        return out

    def _ops(self, given: object, what: str, factors: bool) -> tuple[Sequence[str], Sequence[str]]:
        """Return the ops that a layer may have, and the parameters of them all."""
        ops = listed(given) if factors else None
        ops = [given] if ops is None else ops
        if ops and isinstance(ops[0], str) and ops[0].startswith("$"):
            ops = list(self.shared.get(ops[0][1:], []))
        ops = [check_op(op, f"op of {what}") for op in ops]
        return ops, list(dict.fromkeys(key for op in ops for key in PARAMS[op]))

    def _param(self, key: str, value: object, name: str, what: str) -> Value | Ref:
        values = listed(value)
        if values is None:
            return self._constant(key, value, f"{key} of {what}")
        factor = make_factor(f"{name}_{key}", key, values, self.ndim)
        self.own.append(factor)
        self.uses.append(factor.name)
        return Ref(factor.name)

    def _constant(self, key: str, value: object, what: str) -> Value | Ref:
        if not (isinstance(value, str) and value.startswith("$")):
            return check_value(key, value, what, self.ndim)
        name = value[1:]
        if name not in self.shared:
            raise InputError(f"{what} is {value!r}, but 'factors' has no {name!r}; {nearest(name, self.shared)}")
        values = listed(self.shared[name])
        assert values is not None
        for v in values:
            check_value(key, v, f"{what} through {value}: it", self.ndim)
        self.found.setdefault(name, make_factor(name, key, values, self.ndim))
        if name not in self.uses:
            self.uses.append(name)
        return Ref(name)

    def _cell(
        self, given: Mapping[str, Any], name: str, what: str
    ) -> tuple[dict[str, Value | Ref], tuple[tuple[Block, ...], ...]]:
        """Return the parameters of a stage with a cell, and the cell as its only choice."""
        params: dict[str, Value | Ref] = {}
        cell, own = self.cells.get(given["cell"]), given.get("own", False)
        if cell is None:
            raise InputError(f"cell of {what} is {shown(given['cell'])}; {nearest(given['cell'], self.cells)}")
        if not isinstance(own, bool):
            raise InputError(f"own of {what} is {shown(own)}; it must be true or false")
        prefix = name if own else cell.name
        for factor in (Factor(n, labels, labels) for n, labels in cell.factors(prefix)):
            if own:
                self.own.append(factor)
            elif factor.name in self.shared:
                raise InputError(f"two factors are named {factor.name!r}; rename the cell or the shared factor")
            else:
                self.found.setdefault(factor.name, factor)
            self.uses.append(factor.name)
        if "repeat" in given:
            params["repeat"] = self._param("repeat", given["repeat"], name, what)
        return params, ((CellUse(cell, prefix),),)

    def _branches(
        self, given: Mapping[str, Any], name: str, what: str
    ) -> tuple[dict[str, Value | Ref], tuple[tuple[Block, ...], ...]]:
        """Return the parameters of a stage with branches, and the branches as its only choice."""
        params: dict[str, Value | Ref] = {}
        parallel: Parallel | None = None
        for key in given:
            if key == "branches":
                parallel, labels = read_branches(given, what, self._block, f"{name}_branches")
                if parallel.factor is not None:
                    self.own.append(Factor(parallel.factor, tuple(range(len(labels))), tuple(labels)))
                    self.uses.append(parallel.factor)
            elif key == "repeat":
                params[key] = self._param(key, given[key], name, what)
        assert parallel is not None
        return params, ((parallel,),)

    def _choices(self, given: object, name: str) -> tuple[tuple[Block, ...], ...]:
        factor_name = f"{name}_choice"
        known = self._known_objects.get(id(given))
        if known is None:
            entries = listed(given)
            if not entries:
                raise InputError(
                    f"choices of stage {name!r} is {shown(given)}; it must be a list of at least one layer"
                )
            self.uses.append(factor_name)
            text = _plain_text(entries)
            known = self._known.get(text or "")
            if known is None:
                blocks, labels = self._read_choices(entries, name)
                label_values(factor_name, labels)
                known = given, blocks, labels, tuple(range(len(blocks)))
            if text is not None:
                self._known[text] = known
                self._known_objects[id(given)] = given, *known[1:]
        else:
            self.uses.append(factor_name)
        _, blocks, labels, values = known
        self.own.append(Factor(factor_name, values, labels))
        return blocks

    def _read_choices(
        self, entries: Sequence[Any], name: str
    ) -> tuple[tuple[tuple[Block, ...], ...], tuple[int | str, ...]]:
        """Return the blocks and labels of all choices."""
        blocks: list[tuple[Block, ...]] = []
        labels: list[Any] = []
        for i, entry in enumerate(entries):
            what = f"choice {i} of stage {name!r}"
            layers, label = branch_layers(entry, what)
            blocks.append(tuple(self._block(layer, what) for layer in layers))
            labels.append(i if label is None else label)
        if not all(isinstance(label, str) for label in labels):
            labels = list(range(len(labels)))
        return tuple(blocks), tuple(labels)

    def _block(self, layer: object, what: str) -> Block:
        if not isinstance(layer, Mapping):
            raise InputError(f"a layer of {what} is {shown(layer)}; it must be a mapping such as {{kernel: 3}}")
        if "branches" in layer:
            self._check_keys(layer, ("name", "branches", "merge", "aligned"), what)
            return read_branches(layer, what, self._block, None)[0]
        params = self._params(layer, "", what, ("name", "op", "repeat", "stride_at"), factors=False)
        if isinstance(layer.get("name"), str):
            params["name"] = layer["name"]
        return params


def _plain_text(entries: Sequence[Any]) -> str | None:
    """Choices as a text, None where they are no plain data, or name a shared factor, which is noted for each stage."""
    try:
        text = json.dumps(entries)
    except (TypeError, ValueError, RecursionError):
        return None
    return None if "$" in text else text


def read_stages(
    reader: StageReader, given: Sequence[Any], has_channels: bool
) -> tuple[tuple[Stage, ...], tuple[tuple[str, ...], ...], tuple[Factor, ...]]:
    """Return the stages, per stage the factors that it introduces, and all factors."""
    shared = reader.shared
    stages: list[Stage] = []
    names: set[str] = set()
    factors: dict[str, Factor] = {}
    introduced: list[tuple[str, ...]] = []
    costless: set[int] = set()  # choices without channels, by the number of their object
    for position, entry in enumerate(given, start=1):
        stage = reader.read(entry, position)
        if stage.name in names:
            raise InputError(f"two stages are named {stage.name!r}; names must differ")
        new = [*stage.own]
        if reader.found:
            new += [reader.found[u] for u in stage.uses if u in reader.found and u not in factors]
        for factor in new:
            if factor.name in factors or (factor.name in shared and factor in stage.own):
                raise InputError(f"two factors are named {factor.name!r}; rename a stage or the shared factor")
            factors[factor.name] = factor
        if prod([len(f.labels) for f in new]) > MAX_CHOICES and not stage.folded:
            raise InputError(f"stage {stage.name!r} has more than {MAX_CHOICES} choices; split it into several stages")
        if not has_channels and id(stage.choices) not in costless:
            if any("channels" in block for block in stage.blocks):
                raise InputError(
                    f"stage {stage.name!r} has channels, but the space has none; add for example channels: {{base: 64}}"
                )
            if stage.choices is not None:  # such a stage has no parameters that say channels
                costless.add(id(stage.choices))
        stages.append(stage)
        names.add(stage.name)
        introduced.append(tuple(f.name for f in new))
    for name in shared:
        if name not in factors:
            raise InputError(f"no stage uses the factor {name!r}; write ${name} in a stage, or leave it out")
    both = names & set(factors)
    if both:
        raise InputError(f"{min(both)!r} names both a stage and a factor; rename one")
    return tuple(stages), tuple(introduced), tuple(factors.values())
