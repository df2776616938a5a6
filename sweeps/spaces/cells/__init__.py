"""Spaces of the literature, ready made: each function returns the dict of a space, for `rf.Space.from_dict`."""

from rfscale.sweeps.spaces.cells.aspp import aspp
from rfscale.sweeps.spaces.cells.inception import inception

__all__ = ["aspp", "inception"]
