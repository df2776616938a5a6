"""Tables of every column and variable that results have, from the registries that the program itself annotates by.

``python docs/columns.py`` prints them; the site's glossary includes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rfscale.engine import variables as of_one_network
from rfscale.engine.variables import Table, Variable
from rfscale.sweeps import variables as of_many

TITLES = {
    "PROFILE": "One network, layer by layer: `rf.profile`",
    "ENTRY_MAP": "Every entry of a map: `rf.entry_map`",
    "FOOTPRINT": "Pixels of an entry: `rf.footprint`",
    "FOOTPRINT_FIGURES": "Figures of a footprint, in its attributes and on the terminal",
    "PATH_COUNTS": "Paths to an entry: `rf.path_counts`",
    "COVERAGE": "How often each pixel is read: `rf.coverage`",
    "MASS_BOX": "Where most paths begin, on the terminal",
    "FIELD": "What a model with its weights sees: `rf.effective_field`, `rf.predicted_field`",
    "FIELD_FIGURES": "Figures of a field: `rf.field_figures`",
    "ALL_FIELDS": "Fields side by side: `rf.all_fields`",
    "FIELD_PROFILE": "Fields layer by layer: `rf.field_profile`",
    "FIELD_COMPARISON": "Fields of two models: `rf.compare_fields`",
    "WHERE": "Where an entry lies: `rf.where`",
    "ENTRIES_AT": "Which entries see a pixel: `rf.entries_at`",
    "CONTEXT": "Past and future along time: `rf.context`",
    "NETWORK_COMPARISON": "Two networks: `rf.compare`",
    "INPUT_SIZES": "Input sizes that fit: `rf.valid_sizes`",
    "SURVEY": "Models of libraries: `rf.zoo_survey`",
    "HALO": "Tiles: `rf.halo`",
    "TILE_COSTS": "What tiles cost: `rf.tile_costs`",
    "TILE_TEST": "Tiled and whole: `rf.verify_tiles`",
    "MATCH_BY_ENTRIES": "Levels and objects: `rf.match`",
    "MATCH_BY_WIDTH": 'Maps and objects: `rf.match` with `rule="width"`',
    "OBJECT_SIZES": "Sizes of annotated objects: `rf.object_sizes`",
    "FIGURES": "A space, stage by stage: `rf.sweep`",
    "COSTS": "A space whose channels are known: `rf.sweep`",
    "FORMULAS": "A space with `formulas=True`: `rf.sweep`",
    "DERIVED": "Worked out from a sweep: `rf.derive`",
    "NETWORKS": "Any networks: `rf.sweep` of an `rf.NetworkSpace`",
    "BEST": "Best architectures: `rf.best`",
    "PARETO": "Trade-offs: `rf.pareto`",
    "COUNTS": "Numbers of architectures: `rf.count`",
    "DESIGN": "Architectures for your objects: `rf.design`",
    "VALIDATION": "Formulas against exact figures, one network: `rf.validate`",
    "SPACE_VALIDATION": "Formulas against exact figures, a space: `rf.validate`",
    "GAUSSIAN": "Path counts and the normal distribution: `rfscale validate gaussian`",
    "CLAIMS": "The article's numbers: `rfscale reproduce`",
    "BATCH": "Many runs: `rfscale batch`",
    "COMPARISON": "Two batches: `rfscale batch --compare`",
}
PARTS = {"VARIABLES", "ROWS", "PIXEL_NUMBERS"}  # tables that only serve to make others, which have their columns


def tables() -> dict[str, Table]:
    """Return every table of variables by its name in the registries: in the order of their titles, then the others."""
    found: dict[str, Table] = {}
    for module in (of_one_network, of_many):
        for name, table in vars(module).items():
            if isinstance(table, dict) and table and all(isinstance(v, Variable) for v in table.values()):
                found.setdefault(name, table)
    ordered = [*(name for name in TITLES if name in found), *(name for name in found if name not in TITLES)]
    return {name: found[name] for name in ordered if name not in PARTS}


def rows(table: Table) -> Iterator[str]:
    """Yield a line of Markdown for each variable; words that an answer fills in are dots."""
    for name, variable in table.items():
        dims = ", ".join("any" if d == "..." else d for d in variable.dims) or "–"
        meaning = re.sub(r"\{[^}]*\}", "…", variable.long_name).replace("|", "\\|")
        yield f"| `{name}` | {dims} | {variable.units} | {meaning} |"


def markdown() -> str:
    """Return all tables as Markdown."""
    out, figures = [], of_many.VARIABLES.keys() | {k for k in of_many.ROWS if k[:-2] in of_many.VARIABLES}
    for name, table in tables().items():
        of_an_architecture = of_many.ROWS.items() <= table.items()
        own = {k: v for k, v in table.items() if k not in figures} if of_an_architecture else table
        title = TITLES.get(name, name.lower().replace("_", " ").capitalize())
        out += [f"### {title}", "", "| column | dims | unit | meaning |", "| --- | --- | --- | --- |", *rows(own), ""]
        if of_an_architecture:
            out += ["And the label of every factor, with the figures and costs of the last stage as in `rf.sweep`.", ""]
    return "\n".join(out)


if __name__ == "__main__":
    print(markdown())
