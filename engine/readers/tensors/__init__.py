"""What all readers share: tensors whose axes are followed through a graph."""
