"""Read PyTorch models."""
