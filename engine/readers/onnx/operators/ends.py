"""Operators at which the analysis ends, with the reason."""

from __future__ import annotations

_VALUES = "which entries it picks depends on their values"
_TEXT = "it works on texts"
_STATE = "it keeps a state from call to call"
ENDS: dict[str, str] = {
    **dict.fromkeys(("NonMaxSuppression", "NonZero", "Unique", "MaxUnpool", "Multinomial"), _VALUES),
    **dict.fromkeys(("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"), _TEXT),
    **dict.fromkeys(("CausalConvWithState", "LinearAttention", "TensorScatter"), _STATE),
    **dict.fromkeys(("DeformConv", "AffineGrid"), "where it reads depends on values"),
    **dict.fromkeys(("MaxRoiPool", "RoiAlign"), "which region it reads depends on values"),
    "ImageDecoder": "its input is a compressed file",
    "RandomNormal": "it makes random numbers",
    "RandomUniform": "it makes random numbers",
    "BlackmanWindow": "its size depends on the image",
    "HammingWindow": "its size depends on the image",
    "HannWindow": "its size depends on the image",
    "MelWeightMatrix": "its size depends on the image",
    "Range": "its size depends on the image",
    "Constant": "its value cannot be read",
    "NegativeLogLikelihoodLoss": "it is a loss",
    "SoftmaxCrossEntropyLoss": "it is a loss",
    "Shape": "it asks for the shape of what is no tensor",
    "Size": "it asks for the size of what is no tensor",
}
_OTHER: dict[str, str] = {
    "CropAndResize": "which region it reads depends on values",
    "GridSample": "where it reads depends on values",
    "BatchedNMS_TRT": _VALUES,
    "EfficientNMS_TRT": _VALUES,
    "TRTBatchedNMS": _VALUES,
}


def reason_of(domain: str, op: str) -> str:
    """Return why an operator without a handler ends the analysis; empty for one that is not known."""
    return (_OTHER if domain else ENDS).get(op, "")
