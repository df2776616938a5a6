"""Spaces of the literature, ready made: each function returns the dict of a space, for `rf.Space.from_dict`."""

from rfscale.sweeps.spaces.cells.aspp import aspp
from rfscale.sweeps.spaces.cells.darts import darts
from rfscale.sweeps.spaces.cells.fpn import fpn
from rfscale.sweeps.spaces.cells.inception import inception
from rfscale.sweeps.spaces.cells.nasbench101 import nasbench101
from rfscale.sweeps.spaces.cells.nasbench201 import nasbench201
from rfscale.sweeps.spaces.cells.unet import unet

__all__ = ["aspp", "darts", "fpn", "inception", "nasbench101", "nasbench201", "unet"]
