"""Which taps of a convolution a constant mask leaves, where the graph multiplies the weights by one."""

from __future__ import annotations

from typing import Any

NOT_READ = "its mask was not read, every tap counts"
WITHOUT_VALUES = "its mask has no values and was not read, every tap counts"  # a module on the meta device
MAX_VALUES = 1 << 20  # of a constant that is computed: masks are small
# operators that leave the zeros of a tensor where they are, and those that move them with its entries
SAME_ENTRIES = frozenset(
    "alias clone contiguous detach lift_fresh lift_fresh_copy to type_as _to_copy neg abs div".split()
)
MOVED_ENTRIES = frozenset(
    "view reshape permute transpose unsqueeze squeeze expand select slice flip tril triu t flatten".split()
)
# operators by which constants are computed: no others run, whatever a file names
COMPUTED = (
    SAME_ENTRIES
    | MOVED_ENTRIES
    | frozenset(
        """
        add all any arange bitwise_and bitwise_not bitwise_or bitwise_xor cat ceil clamp clone cumsum diagonal
        eq exp eye fill floor floor_divide full full_like ge gt index index_put index_select le linspace log
        logical_and logical_not logical_or logical_xor lt masked_fill matmul maximum mean minimum mul ne
        new_full new_ones new_zeros ones ones_like outer pow reciprocal remainder repeat roll round rsub
        scalar_tensor select_scatter sigmoid sign slice_scatter split sqrt stack sub sum tile tril_indices
        triu_indices unbind where zeros zeros_like __and__ __or__ __xor__
        """.split()
    )
)
WRITTEN = frozenset("copy zero".split())


class Masks:
    """The constants of an exported program, and what they say of weights that are computed from them.

    Parameters of a model may take any value, buffers and constants have theirs.
    """

    def __init__(self, program: Any) -> None:
        specs = (s for s in program.graph_signature.input_specs if s.kind.name in ("BUFFER", "CONSTANT_TENSOR"))
        stored = {**program.state_dict, **program.constants}
        self._given = {s.arg.name: stored.get(s.target) for s in specs}
        self._without_values = False
        self._made: dict[Any, Any] = {}  # by nodes
        self._lost: set[Any] = set()

    def taps(self, weights: Any, kernel: int) -> tuple[Any, bool]:
        """Return which taps some channels have, as a numpy array over the kernel's axes or None for all of them.

        The second value says whether a constant that may be a mask has no values (on the meta device).
        """
        if getattr(weights, "op", "") != "call_function":
            return None, False
        self._without_values = False
        found = self._pattern(weights, kernel)
        if found is None:
            return None, self._without_values
        taps = found.expand(weights.meta["val"].shape).flatten(0, -kernel - 1).any(0).cpu().numpy()
        return (None if taps.all() else taps), self._without_values

    def value(self, node: Any) -> Any:
        """Return the values of a constant that no parameter is in, as a numpy array; None where they are not known."""
        found = self._value(node, 1) if hasattr(node, "meta") else None
        return None if found is None else (found.float() if found.dtype.is_floating_point else found).cpu().numpy()

    def _pattern(self, node: Any, kernel: int) -> Any:
        """Where a tensor may differ from zero; None: everywhere, or it is not known."""
        if not hasattr(node, "meta"):
            return None
        value = self._value(node, kernel)
        if value is not None:
            return value != 0
        if node.op != "call_function":
            return None
        name = node.target.__name__.split(".")[0]
        if name == "mul":
            known = [p for p in (self._pattern(a, kernel) for a in node.args[:2]) if p is not None]
            return known[0] & known[-1] if known else None
        if name in ("where", "masked_fill"):
            return self._chosen(node, name, kernel)
        inner = self._pattern(node.args[0], kernel) if name in SAME_ENTRIES | MOVED_ENTRIES else None
        if name in ("tril", "triu") and inner is None:
            import torch

            inner = torch.ones(node.args[0].meta["val"].shape, dtype=torch.bool)
        return node.target(inner, *node.args[1:]) if inner is not None and name in MOVED_ENTRIES else inner

    def _chosen(self, node: Any, name: str, kernel: int) -> Any:
        """Weights where a condition holds, and others, or one number, elsewhere."""
        import torch

        condition, kept, other = node.args if name == "where" else (node.args[1], node.args[2], node.args[0])
        chosen = self._value(condition, kernel)
        if chosen is None:
            return None
        sides = []
        for side in (kept, other):
            pattern = self._pattern(side, kernel)
            number = isinstance(side, int | float)
            sides.append(torch.tensor(bool(side) if number else True) if pattern is None else pattern)
        return (chosen & sides[0]) | (~chosen & sides[1])

    def _value(self, node: Any, kernel: int) -> Any:
        """Values of a constant: a buffer, or what is computed of constants alone; None for anything else."""
        import torch

        shape = getattr(node.meta.get("val"), "shape", torch.Size())
        if node.op == "placeholder":
            if node in self._made or node in self._lost:
                return self._made.get(node)
            value = self._given.get(node.name)
            if value is not None and value.device.type == "meta":
                self._without_values |= max(shape[-kernel:], default=1) > 1
                value = None
            return value
        if node in self._made:
            return self._made[node]
        for n in node.all_input_nodes:  # which of them has no values?
            self._value(n, kernel)
        return None

    def run(self, node: Any) -> None:
        """Compute what a node makes of constants alone; a write into one of them is seen by all that share its memory.

        Nodes are run in the order of the graph.
        """
        import torch

        args = {n: self._kept(n) for n in node.all_input_nodes}
        small = getattr(node.meta.get("val"), "shape", torch.Size()).numel() <= MAX_VALUES
        if not small or any(v is None for v in args.values()) or not is_computed(node.target, in_place=True):
            if writes(node.target):
                self.forget(node)
            return
        given = torch.fx.node.map_arg((node.args, node.kwargs), args.__getitem__)
        with torch.no_grad():
            made = node.target(*given[0], **given[1])
        if isinstance(made, torch.Tensor) and made.device.type != "meta":
            self._made[node] = made

    def forget(self, node: Any) -> None:
        """Values that a node writes are not known any more, nor those of what shares their memory."""
        written = self._made.get(node.args[0])
        self._lost.add(node.args[0])
        for n, made in list(self._made.items()):
            if written is None or made.untyped_storage().data_ptr() == written.untyped_storage().data_ptr():
                del self._made[n]
                self._lost.add(n)

    def _kept(self, node: Any) -> Any:
        """Values of a constant, in memory of its own: the program keeps what it has."""
        value = self._given.get(node.name) if node.op == "placeholder" and node not in self._lost else None
        if node not in self._made and value is not None and value.device.type != "meta" and value.numel() <= MAX_VALUES:
            self._made[node] = value.clone()
        return self._made.get(node)


def writes(operator: Any) -> bool:
    """Whether an operator writes into what it is given."""
    schema = getattr(operator, "_schema", None)
    return schema is not None and schema.is_mutable


def is_computed(operator: Any, in_place: bool = False) -> bool:
    """Whether an operator computes a constant of others and does nothing else; `in_place`: or writes it into one."""
    if getattr(operator, "namespace", "") != "aten":
        return False
    name = operator.__name__.split(".")[0]
    if not operator._schema.is_mutable:
        return name in COMPUTED
    return in_place and name.endswith("_") and name[:-1] in COMPUTED | WRITTEN
