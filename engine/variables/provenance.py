"""The attrs that say where a result is from."""

from __future__ import annotations

from typing import Any, Protocol

from rfscale.engine.version import SOFTWARE


class Hashed(Protocol):
    """A network, as far as its provenance goes."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def hash(self) -> str:
        """Hash of its spec."""


def provenance(call: str, network: Hashed | None = None, **more: Any) -> dict[str, Any]:
    """Return the attrs that every result has: software, call, network with its hash, and what else decided it.

    Parameters
    ----------
    call : str
        The public function, and its arguments where they are short.
    network : Network, optional
    **more
        Further attributes; those that are None are left out.
    """
    known = {} if network is None else {"network": network.name, "network_hash": network.hash}
    return known | {k: v for k, v in more.items() if v is not None} | {"software": SOFTWARE, "call": call}
