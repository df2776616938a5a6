"""Spaces of architectures: their choices, labels, costs, and networks."""
