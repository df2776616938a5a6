"""What ONNX operators do to tracked tensors."""

from rfscale.engine.readers.onnx.operators import control, fused, ops, quantized, recurrent, values

TABLES = (control, fused, ops, quantized, recurrent, values)
