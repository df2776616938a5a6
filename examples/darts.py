"""DARTS: the networks of 8 cells, and those of 20."""

import rfscale as rf

SPACE = rf.Space.from_dict(rf.cells.darts())
LARGE = rf.Space.from_dict(rf.cells.darts(cells=20))
