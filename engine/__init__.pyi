from .analysis.check.check import check
from .analysis.check.rules import Finding
from .analysis.coverage import coverage
from .analysis.entry_map import entry_map
from .analysis.fields.all_fields import all_fields
from .analysis.fields.field_profile import field_profile
from .analysis.footprint import footprint
from .analysis.match.match import match
from .analysis.output_lines import output_lines
from .analysis.path_counts import path_counts
from .analysis.profile import profile
from .analysis.questions.compare import compare
from .analysis.questions.context import context
from .analysis.questions.sizes import valid_sizes
from .analysis.questions.where import entries_at, where
from .analysis.tiling.halo import halo
from .analysis.tiling.tile_costs import choose_tile, tile_costs
from .analysis.tiling.tiles import tiles
from .analysis.tiling.verify_tiles import verify_tiles
from .errors import InputError, PartlyReadWarning
from .fields.compare_fields import compare_fields
from .fields.effective_field import effective_field
from .fields.field_figures import field_figures
from .fields.predicted_field import predicted_field
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
    "all_fields",
    "check",
    "choose_tile",
    "compare",
    "compare_fields",
    "context",
    "coverage",
    "effective_field",
    "entries_at",
    "entry_map",
    "evaluate",
    "field_figures",
    "field_profile",
    "footprint",
    "halo",
    "load",
    "match",
    "object_sizes",
    "output_lines",
    "path_counts",
    "predicted_field",
    "profile",
    "tile_costs",
    "tiles",
    "valid_sizes",
    "verify_tiles",
    "where",
    "zoo_survey",
]
