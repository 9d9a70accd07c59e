"""Passes over a draft: fold ranges and gains, complete quantisations, unify concatenations."""

from __future__ import annotations

import numpy as np

from dse.network.draft import Coefficients, Draft, DraftTensor, Layer
from dse.network.graph import INT8_MAX, INT8_MIN, Quantisation
from dse.network.names import Names


def fold(draft: Draft) -> None:
    """Join ranges and gains with the layer before them, where no one else reads its output."""
    uses = draft.uses()
    producers: dict[DraftTensor, Layer] = {}
    kept = []
    for layer in draft.layers:
        source = layer.inputs[0]
        before = producers.get(source)
        if before is not None and uses[source] == 1 and _absorb(before, layer):
            before.output = layer.output
        else:
            kept.append(layer)
            before = layer
        producers[layer.output] = before
    draft.layers = kept


def _absorb(before: Layer, layer: Layer) -> bool:
    between, after = before.output.quantisation, layer.output.quantisation
    if layer.is_identity and before.kind in ("conv", "max", "average", "add"):
        if between is not None and between != after:
            return False
        before.restrict(layer.low, layer.high)
        return True
    unlimited = before.low == -np.inf and before.high == np.inf
    if not (layer.affine and before.kind == "conv" and unlimited and between is None):
        return False
    assert before.weight is not None and layer.weight is not None and layer.bias is not None
    gain = layer.weight.real().reshape(-1).astype(np.float64)
    offset = layer.bias.real().astype(np.float64)
    if before.bias is not None:
        offset = offset + before.bias.real() * gain
    before.weight = before.weight.scaled(gain)
    before.bias = Coefficients(offset)
    return True


def complete(draft: Draft) -> None:
    """Pass quantisations on where an operator cannot change them."""
    for layer in reversed(draft.layers):
        if layer.kind in ("max", "reshape", "concat"):
            for tensor in layer.inputs:
                tensor.quantisation = tensor.quantisation or layer.output.quantisation
    for layer in draft.layers:
        known = {tensor.quantisation for tensor in layer.inputs}
        if layer.kind in ("max", "reshape", "concat") and len(known) == 1:
            layer.output.quantisation = layer.output.quantisation or known.pop()
    for layer in draft.layers:
        if layer.kind == "add" and layer.output.quantisation is None:
            layer.output.quantisation = _sum(layer.inputs)


def _sum(operands: list[DraftTensor]) -> Quantisation | None:
    """The quantisation that covers every sum: of the intermediate of a sum of three or more."""
    known = [tensor.quantisation for tensor in operands]
    if any(q is None for q in known):
        return None
    low = sum(q.scale * (INT8_MIN - q.zero_point) for q in known if q)
    high = sum(q.scale * (INT8_MAX - q.zero_point) for q in known if q)
    scale = (high - low) / (INT8_MAX - INT8_MIN)
    return Quantisation(scale, int(np.clip(round(INT8_MIN - low / scale), INT8_MIN, INT8_MAX)))


def unify(draft: Draft) -> None:
    """Bring the inputs of concatenations and reshapes to the output's quantisation.

    A producer that no one else needs writes the shared quantisation directly; its range keeps the
    values its own quantisation could hold.  Otherwise a 1 x 1 maximum requantises.
    """
    producers = {layer.output: layer for layer in draft.layers}
    uses = draft.uses()
    tensors = (*draft.inputs, *producers)
    names = Names([*(t.name for t in tensors), *(layer.name for layer in draft.layers)])
    inserted: dict[Layer, list[Layer]] = {}
    for layer in reversed(draft.layers):
        if layer.kind not in ("concat", "reshape"):
            continue
        target = layer.output.quantisation
        assert target is not None
        for index, tensor in enumerate(layer.inputs):
            before = producers.get(tensor)
            low, high = max(layer.low, limits(tensor)[0]), min(layer.high, limits(tensor)[1])
            if tensor.quantisation == target and layer.low == -np.inf and layer.high == np.inf:
                continue
            if before is not None and uses[tensor] == 1 and before.kind != "reshape":
                before.restrict(low, high)
                tensor.quantisation = target
                continue
            name = names.fresh(f"{layer.name}/requantise_{index}")
            copy = DraftTensor(name, *tensor.shape, target)
            identity = Layer("max", name, layer.origin, [tensor], copy, low=low, high=high)
            inserted.setdefault(layer, []).append(identity)
            layer.inputs[index] = copy
    draft.layers = [new for layer in draft.layers for new in (*inserted.get(layer, ()), layer)]


def limits(tensor: DraftTensor) -> tuple[float, float]:
    """The real values a tensor can hold."""
    q = tensor.quantisation
    assert q is not None
    return q.scale * (INT8_MIN - q.zero_point), q.scale * (INT8_MAX - q.zero_point)
