"""Spaces of architectures: their choices, labels, costs, and networks."""

from rfscale.sweeps.spaces import cells as cells
