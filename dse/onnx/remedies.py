"""What to do about operators that the overlay does not have."""

from __future__ import annotations

from dse.onnx.values import Unsupported

UNKNOWN_REMEDY = "replace it, or cut the model there and run the rest elsewhere"

_DYNAMIC = (
    "its scales are computed at run time",
    "quantise statically, with calibration images (onnxruntime.quantization.quantize_static)",
)
_NORMALISED = (
    "it divides by statistics of its input",
    "retrain with BatchNormalization, which folds into the convolutions",
)
_KNOWN = {
    "ConvInteger": _DYNAMIC,
    "DynamicQuantizeLinear": _DYNAMIC,
    "MatMulInteger": _DYNAMIC,
    "GroupNormalization": _NORMALISED,
    "InstanceNormalization": _NORMALISED,
    "LayerNormalization": _NORMALISED,
}


def unknown(operator: str) -> Unsupported:
    """The problem of an operator that cannot be lowered."""
    return Unsupported(*_KNOWN.get(operator, ("the overlay has no such operator", UNKNOWN_REMEDY)))
