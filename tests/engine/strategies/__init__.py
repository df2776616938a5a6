"""Random networks: spec dicts whose merges have equal sizes and equal jumps by construction.

Two ways in: `random_network(rng, family, ndim)` for plain seeded loops, and the hypothesis strategies `networks()` and
`cases()`. A spec always carries an `input_size`, small enough for the oracle of `tests/oracles/plain_sets.py`, and is
valid in the interior and in the finite mode.

Families: chain, residual, aspp, fpn, unet, inception, all_ops (every op and every mode of docs/formats.md), global_ops
(global ops on maps that miss pixels).
"""

from tests.engine.strategies.draft import OPS
from tests.engine.strategies.families import FAMILIES
from tests.engine.strategies.random_networks import cases, networks, random_case, random_network

__all__ = ["FAMILIES", "OPS", "cases", "networks", "random_case", "random_network"]
