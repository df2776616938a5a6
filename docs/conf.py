"""The documentation site: ``python -m sphinx -W docs build/site``, after installing the docs extra."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rfscale import __version__

HERE = Path(__file__).parent

project = "rfscale"
author = "The rfscale developers"
project_copyright = author
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc", "myst_nb"]
templates_path = ["templates"]
exclude_patterns = ["_build", "_columns.md", "_explorers", "templates"]
html_extra_path = ["_explorers"]  # becomes the folder explorers/ beside the pages
html_theme = "pydata_sphinx_theme"
html_title = "rfscale"
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}
html_show_sourcelink = False

# reference: from the docstrings of the public names
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters say it in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# pages: Markdown as GitHub shows it, too
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# the tutorials are run when the site is built; a cell that raises an error ends the build
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_output_stderr = "show"
nb_merge_streams = True

linkcheck_timeout = 20
linkcheck_retries = 2


def setup(app: Any) -> None:
    """Write what pages include: tables of columns, from the registries of output variables, and explorers."""
    sys.path.insert(0, str(HERE))
    from columns import markdown
    from explorers import write

    write(HERE / "_explorers" / "explorers", HERE.parent / "examples")
    (HERE / "_columns.md").write_text(markdown(), encoding="utf-8")
