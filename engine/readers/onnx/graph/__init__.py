"""ONNX files before they are read: loaded and counted, the image found, the shapes of tensors worked out."""
