"""A space of networks that a Python function makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError, shown, visible
from rfscale.sweeps.spaces.display import count, factor_columns, space_html, space_text
from rfscale.sweeps.spaces.index import Labelled
from rfscale.sweeps.spaces.stages import Factor, factor_values, label_values

if TYPE_CHECKING:
    from rfscale.engine.network.network import Network


@cache
def _network_type() -> type[Network]:
    """What templates return, imported where one was called; to ask the import system every time takes 1 µs."""
    from rfscale.engine.network.network import Network

    return Network


class NetworkSpace(Labelled):
    """Any networks: a function from the values of factors to a network, evaluated network by network.

    Parameters
    ----------
    template : callable
        Takes one keyword argument for each factor and returns an `rf.Network`.
    factors : mapping
        Values of each factor. Labels are the values, or text for values that are not numbers or strings.
    name : str, optional
        By default the template's.

    Examples
    --------
    >>> from rfscale import Network
    >>> def two(k, d):
    ...     return Network.sequential({"kernel": k}, {"kernel": 3, "dilation": d})
    >>> space = NetworkSpace(two, {"k": [3, 5], "d": [1, 2, 4]})
    >>> space.size, len(space.network({"k": 5, "d": 4}))
    (6, 2)
    """

    template: Callable[..., Network]

    def __init__(
        self, template: Callable[..., Network], factors: Mapping[str, Sequence[Any]], name: str | None = None
    ) -> None:
        if not callable(template):
            raise InputError(f"template is {shown(template)}; it must be a function that returns an rf.Network")
        if not isinstance(factors, Mapping) or not factors:
            raise InputError(f"factors is {shown(factors)}; it must be a mapping such as {{'rate': [6, 12]}}")
        made = []
        for key, values in factors.items():
            items = [tuple(v) if isinstance(v, list) else v for v in factor_values(key, values, "a factor")]
            made.append(Factor(key, tuple(items), label_values(key, items)))
        super().__init__(name or str(getattr(template, "__name__", "template")), tuple(made), template=template)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.template, {f.name: f.values for f in self.factors}, self.name)

    def __repr__(self) -> str:
        return f"<NetworkSpace {visible(self._title())}>"

    def _title(self) -> str:
        return f"{self.name}: {len(self.factors)} factors, {count(self.size)} networks"

    def __str__(self) -> str:
        return space_text(self._title(), factor_columns(self), len(self.factors))

    def _repr_html_(self) -> str:
        return space_html(self._title(), factor_columns(self), len(self.factors))

    def network(self, where: int | Mapping[Any, Any]) -> Network:
        """Return one network, by number or labels."""
        chosen = self.chosen(where)
        try:
            network = self.template(**chosen)
        except Exception as error:  # code of others: say which network it was making
            problem = error if isinstance(error, InputError | TypeError) else repr(error)
            raise InputError(f"template {self.name!r} called with {shown(chosen)}: {problem}") from error
        if not isinstance(network, _network_type()):
            raise InputError(f"template {self.name!r} returned {shown(network)}; it must return an rf.Network")
        return network
