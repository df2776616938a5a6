"""Functions of one tensor, value by value, that a model writes in several operators: x · σ(x), x · relu6(x + 3) / 6.

Their factors are not independent, but together they are one function of each value, as SiLU in one operator is.
"""

from __future__ import annotations

from typing import Any

from rfscale.engine.fields.squares.moments import is_value_by_value
from rfscale.engine.fields.squares.pointwise import functional
from rfscale.engine.fields.squares.recorded import Node, Ref, replaced

MOST_OPERATORS = 32


def composed(nodes: list[Node], node: Node) -> Node | None:
    """Return an operator on one tensor that stands for this one and those before it that it is made of.

    None where the factors do not come from one tensor, value by value.
    """
    shape = node.outputs[0]
    waiting = set(node.refs())
    steps: list[Node] = []
    while len(waiting) > 1 and len(steps) < MOST_OPERATORS:
        at = max(waiting, key=lambda ref: (ref.node, ref.output))  # the last one: others may come before it
        if at.node < 0 or at.shape != shape or not is_value_by_value(nodes[at.node]):
            return None
        waiting.remove(at)
        steps.append(nodes[at.node])
        waiting |= set(nodes[at.node].refs())
    (source, *rest) = waiting
    if rest or source.node < -1 or source.shape != shape:
        return None
    places = {id(n): position for position, n in enumerate(nodes)}

    def made(x: Any) -> Any:
        values = {(source.node, source.output): x}
        for step in [*reversed(steps), node]:

            def change(value: Any) -> Any:
                if isinstance(value, Ref):
                    return values[(value.node, value.output)]
                return value.to(x.dtype) if hasattr(value, "is_floating_point") and value.is_floating_point() else value

            args, kwargs = replaced(step.args, change), replaced(step.kwargs, change)
            values[(places[id(step)], 0)] = functional(step.func)(*args, **kwargs)
        return values[(places[id(node)], 0)]

    return Node(node.func, (source,), {}, node.outputs, node.path, made)
