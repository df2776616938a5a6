"""DARTS: the networks of 8 cells that are searched, and those of 20 that are compared."""

import rfscale as rf

SPACE = rf.Space.from_dict(rf.cells.darts(channels=16))
LARGE = rf.Space.from_dict(rf.cells.darts(cells=20, channels=36))
