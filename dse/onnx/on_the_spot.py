"""Layers that a quantised model leaves in float: quantised as those of float models are.

Such a layer has weights in float; what it makes, and what is made of that until the model rounds
it, may have no quantisation of the model's.  All else that is not rounded is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass

from dse.onnx.draft import Draft, DraftLayer, DraftTensor


@dataclass(frozen=True)
class LeftInFloat:
    """Layers with float weights, by name, and the tensors that have no quantisation for them."""

    layers: tuple[str, ...]
    tensors: frozenset[DraftTensor]

    def inputs(self, draft: Draft) -> list[str]:
        """The inputs among the tensors: only images tell what they hold."""
        return [tensor.name for tensor in draft.inputs if tensor in self.tensors]


def left_in_float(draft: Draft) -> LeftInFloat:
    """What a draft has of them, behind ``fold`` and ``complete``."""
    floats = [layer for layer in draft.layers if _has_float_weights(layer)]
    read = {tensor for layer in floats for tensor in layer.inputs}
    open_ = {t for t in draft.inputs if t.quantisation is None and t in read}
    for layer in draft.layers:
        left = layer in floats or not open_.isdisjoint(layer.inputs)
        if left and layer.output.quantisation is None:
            open_.add(layer.output)
    return LeftInFloat(tuple(layer.name for layer in floats), frozenset(open_))


def _has_float_weights(layer: DraftLayer) -> bool:
    return layer.weight is not None and layer.weight.scale is None and not layer.affine
