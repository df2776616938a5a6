from . import plot
from .answers.best import best
from .answers.count import count
from .answers.design.design import design
from .answers.pareto import pareto
from .answers.sample import sample
from .explorer.explore import explore
from .report.page.page import Page
from .runs.derive import derive
from .runs.run import sweep
from .spaces import cells
from .spaces.chains import chains
from .spaces.network_space import NetworkSpace
from .spaces.space import Space
from .validation.validate import validate

__all__ = [
    "NetworkSpace",
    "Page",
    "Space",
    "best",
    "cells",
    "chains",
    "count",
    "derive",
    "design",
    "explore",
    "pareto",
    "plot",
    "sample",
    "sweep",
    "validate",
]
