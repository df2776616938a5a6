"""What ONNX operators do to tracked tensors."""
