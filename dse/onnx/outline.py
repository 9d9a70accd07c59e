"""The outline of a float draft: what its shapes alone decide, before anything is calibrated."""

from __future__ import annotations

import numpy as np

from dse.network.graph import Quantisation
from dse.onnx.draft import Coefficients, Draft, DraftLayer

QUANTISATION = Quantisation(1.0, 0)


def outline(draft: Draft) -> None:
    """Give every tensor of a draft the same quantisation, and every layer weights of zero.

    Equal quantisations tie a concatenation to its inputs most closely: whatever may be done to this
    network may be done to the calibrated one, which can have copies in between.
    """
    for tensor in (*draft.inputs, *(layer.output for layer in draft.layers)):
        tensor.quantisation = QUANTISATION
    for layer in draft.layers:
        _without_numbers(layer)


def _without_numbers(layer: DraftLayer) -> None:
    if layer.is_limited:
        layer.low, layer.high = 0.0, np.inf  # that there is a range matters, not which
    if layer.weight is not None:
        shape = layer.weight.values.shape
        layer.weight = Coefficients(np.broadcast_to(np.int8(0), shape), np.ones(shape[0]))
        layer.bias = None
