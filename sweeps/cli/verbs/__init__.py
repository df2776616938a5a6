"""The verbs of the command line, one file for each. A verb checks its input, computes, writes its files, then prints.

A new verb is a file with a function of its name, and a place below its question in `QUESTIONS`. Imports stand inside
the functions: the help of all verbs is shown without numpy.
"""

from __future__ import annotations

from collections.abc import Callable

from rfscale.sweeps.cli.verbs.batch import batch
from rfscale.sweeps.cli.verbs.check import check
from rfscale.sweeps.cli.verbs.compare import compare
from rfscale.sweeps.cli.verbs.context import context
from rfscale.sweeps.cli.verbs.design import design
from rfscale.sweeps.cli.verbs.explore import explore
from rfscale.sweeps.cli.verbs.field import field
from rfscale.sweeps.cli.verbs.footprint import footprint
from rfscale.sweeps.cli.verbs.halo import halo
from rfscale.sweeps.cli.verbs.match import match
from rfscale.sweeps.cli.verbs.networks import networks
from rfscale.sweeps.cli.verbs.profile import profile
from rfscale.sweeps.cli.verbs.reproduce import reproduce
from rfscale.sweeps.cli.verbs.sizes import sizes
from rfscale.sweeps.cli.verbs.sweep import sweep
from rfscale.sweeps.cli.verbs.validate import validate
from rfscale.sweeps.cli.verbs.where import where

QUESTIONS: dict[str, tuple[Callable[..., None], ...]] = {  # in the order of the help
    "What does my network see?": (profile, explore, footprint, where, field, sizes, context, compare, check, networks),
    "Which maps fit my objects?": (match, design),
    "How do I cut images into tiles?": (halo,),
    "Which of many networks?": (sweep, validate, batch),
    "Is the article right?": (reproduce,),
}
VERBS = tuple(verb for verbs in QUESTIONS.values() for verb in verbs)
