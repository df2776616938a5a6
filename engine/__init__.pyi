from .analysis.check.check import check
from .analysis.check.rules import Finding
from .analysis.coverage import coverage
from .analysis.effective_field import effective_field
from .analysis.entry_map import entry_map
from .analysis.footprint import footprint
from .analysis.halo import halo, tiles
from .analysis.match import match
from .analysis.output_lines import output_lines
from .analysis.path_counts import path_counts
from .analysis.profile import profile
from .errors import InputError, PartlyReadWarning
from .formulas.evaluate import evaluate
from .formulas.registry import FORMULAS
from .network.builder import NetworkBuilder
from .network.network import Network
from .objects.sizes import object_sizes
from .readers.load import load
from .readers.reading import NetworkLike, Reading
from .version import __version__
from .zoo.survey.zoo_survey import zoo_survey

__all__ = [
    "FORMULAS",
    "Finding",
    "InputError",
    "Network",
    "NetworkBuilder",
    "NetworkLike",
    "PartlyReadWarning",
    "Reading",
    "__version__",
    "check",
    "coverage",
    "effective_field",
    "entry_map",
    "evaluate",
    "footprint",
    "halo",
    "load",
    "match",
    "object_sizes",
    "output_lines",
    "path_counts",
    "profile",
    "tiles",
    "zoo_survey",
]
