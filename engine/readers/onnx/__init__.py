"""Read ONNX graphs."""
