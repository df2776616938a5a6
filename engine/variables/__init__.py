"""The registry of output variables (name, dims, kind, units, meaning), and the attrs that say where a result is from.

Every public function that returns a dataset ends with `annotate` and one table of this folder (of many networks:
`rfscale.sweeps.variables`), which writes units and long names and raises for what does not fit.
"""

from rfscale.engine.variables.fields import (
    ALL_FIELDS,
    FIELD,
    FIELD_COMPARISON,
    FIELD_FIGURES,
    FIELD_PROFILE,
    MASS_BOX,
)
from rfscale.engine.variables.maps import (
    CONTEXT,
    COVERAGE,
    ENTRIES_AT,
    ENTRY_MAP,
    FOOTPRINT,
    FOOTPRINT_FIGURES,
    HALO,
    INPUT_SIZES,
    NETWORK_COMPARISON,
    PATH_COUNTS,
    PIXEL_NUMBERS,
    PROFILE,
    SURVEY,
    TILE_COSTS,
    TILE_TEST,
    WHERE,
)
from rfscale.engine.variables.objects import (
    EXTENT_OF_BOTH_AXES,
    MATCH_BY_ENTRIES,
    MATCH_BY_WIDTH,
    OBJECT_SIZES,
)
from rfscale.engine.variables.provenance import (
    Hashed,
    provenance,
)
from rfscale.engine.variables.variable import (
    ONE,
    PIXEL,
    Table,
    Variable,
    annotate,
    annotate_array,
)

__all__ = [
    "ALL_FIELDS",
    "CONTEXT",
    "COVERAGE",
    "ENTRIES_AT",
    "ENTRY_MAP",
    "EXTENT_OF_BOTH_AXES",
    "FIELD",
    "FIELD_COMPARISON",
    "FIELD_FIGURES",
    "FIELD_PROFILE",
    "FOOTPRINT",
    "FOOTPRINT_FIGURES",
    "HALO",
    "INPUT_SIZES",
    "MASS_BOX",
    "MATCH_BY_ENTRIES",
    "MATCH_BY_WIDTH",
    "NETWORK_COMPARISON",
    "OBJECT_SIZES",
    "ONE",
    "PATH_COUNTS",
    "PIXEL",
    "PIXEL_NUMBERS",
    "PROFILE",
    "SURVEY",
    "TILE_COSTS",
    "TILE_TEST",
    "WHERE",
    "Hashed",
    "Table",
    "Variable",
    "annotate",
    "annotate_array",
    "provenance",
]
