"""ONNX files before they are read: loaded, counted, rewritten in standard operators, with the shapes of their tensors."""
