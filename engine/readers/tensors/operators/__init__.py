"""What operators do to tracked tensors, for every reader."""
