from .answers.best import best
from .answers.count import count
from .answers.design.design import design
from .answers.pareto import pareto
from .answers.sample import sample
from .runs.derive import derive
from .runs.run import sweep
from .spaces.chains import chains
from .spaces.network_space import NetworkSpace
from .spaces.space import Space
from .validation.validate import validate
from .warm import warm

__all__ = [
    "NetworkSpace",
    "Space",
    "best",
    "chains",
    "count",
    "derive",
    "design",
    "pareto",
    "sample",
    "sweep",
    "validate",
    "warm",
]
