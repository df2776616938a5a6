"""Read a PyTorch module by running its forward once, without weights."""
