"""The verbs of the command line, one file for each. A verb checks its input, computes, writes its files, then prints.

A new verb is a file with a function of its name, and a place in `VERBS`, in the order of the help. Imports stand inside
the functions: the help of all verbs is shown without numpy.
"""

from __future__ import annotations

from collections.abc import Callable

from rfscale.sweeps.cli.verbs.batch import batch
from rfscale.sweeps.cli.verbs.check import check
from rfscale.sweeps.cli.verbs.design import design
from rfscale.sweeps.cli.verbs.field import field
from rfscale.sweeps.cli.verbs.footprint import footprint
from rfscale.sweeps.cli.verbs.halo import halo
from rfscale.sweeps.cli.verbs.match import match
from rfscale.sweeps.cli.verbs.networks import networks
from rfscale.sweeps.cli.verbs.profile import profile
from rfscale.sweeps.cli.verbs.reproduce import reproduce
from rfscale.sweeps.cli.verbs.sweep import sweep
from rfscale.sweeps.cli.verbs.validate import validate

VERBS: tuple[Callable[..., None], ...] = (
    reproduce,
    profile,
    footprint,
    field,
    networks,
    sweep,
    validate,
    batch,
    match,
    check,
    halo,
    design,
)
