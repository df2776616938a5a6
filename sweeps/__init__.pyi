from . import plot
from .answers.best import best
from .answers.count import count
from .answers.design.design import design
from .answers.pareto import pareto
from .answers.sample import sample
from .progress import Progress
from .runs.derive import derive
from .runs.run import sweep
from .spaces.chains import chains
from .spaces.network_space import NetworkSpace
from .spaces.space import Space
from .validation.validate import validate

__all__ = [
    "NetworkSpace",
    "Progress",
    "Space",
    "best",
    "chains",
    "count",
    "derive",
    "design",
    "pareto",
    "plot",
    "sample",
    "sweep",
    "validate",
]
