"""NAS-Bench-101: all cells of up to seven nodes and nine edges, up to isomorphism."""

import rfscale as rf

SPACE = rf.Space.from_dict(rf.cells.nasbench101())
