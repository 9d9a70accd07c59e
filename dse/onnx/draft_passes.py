"""Passes over a draft: fold ranges and gains, complete quantisations, unify concatenations."""

from __future__ import annotations

import numpy as np

from dse.network.graph import INT8_MAX, INT8_MIN, Quantisation
from dse.onnx import enlarge, halves, padding, wide
from dse.onnx.draft import Coefficients, Draft, DraftLayer, DraftTensor


def fold(draft: Draft) -> None:
    """Join ranges, gains and zeros with their neighbours; write out what only drafts know.

    Ranges and gains join the layer before them, where no one else reads its output.
    """
    _negate(draft)
    _join(draft)
    if halves.own_copies(draft):
        _join(draft)
    bounds = _bounds(draft)
    padding.absorb(draft, lambda tensor: bounds[tensor][0])
    enlarge.expand(draft)
    wide.split(draft)
    _drop(draft)


def _negate(draft: Draft) -> None:
    """Differences become sums where a convolution of its own can give the negative.

    The negative is another tensor than the model's, so it has a name of its own.
    """
    uses, names = draft.uses(), draft.names()
    producers = {layer.output: layer for layer in draft.layers}
    for layer in draft.layers:
        if layer.kind != "combine" or layer.combination != "difference":
            continue
        conv = producers.get(layer.inputs[1])
        if conv is None or uses[conv.output] > 1 or layer.inputs[0].shape != conv.output.shape:
            continue
        free = conv.kind == "conv" and not conv.is_limited and conv.output.quantisation is None
        if free and conv.weight is not None and conv.weight.scale is None:
            minus = -np.ones(len(conv.weight.values))
            conv.weight = conv.weight.scaled(minus)
            conv.bias = None if conv.bias is None else Coefficients(-conv.bias.real())
            conv.moves = False
            conv.output.name = names.fresh(f"{conv.output.name}/negative")
            layer.kind, layer.combination = "add", "product"


def _join(draft: Draft) -> None:
    uses = draft.uses()
    producers: dict[DraftTensor, DraftLayer] = {}
    kept = []
    for layer in draft.layers:
        source = layer.inputs[0]
        before = producers.get(source)
        if before is not None and uses[source] == 1 and _absorb(before, layer):
            if layer.origin == "QuantizeLinear" and layer.output not in draft.outputs:
                layer.output.name = before.output.name
            before.output = layer.output
        else:
            kept.append(layer)
            before = layer
        producers[layer.output] = before
    draft.layers = kept


def _drop(draft: Draft) -> None:
    """Leave out the views and zeros that nobody reads."""
    uses = draft.uses()
    for layer in reversed(list(draft.layers)):
        if (layer.is_padding or layer.kind in _VIEWS) and not uses.get(layer.output):
            draft.layers.remove(layer)
            for tensor in set(layer.inputs):
                uses[tensor] -= 1


def _absorb(before: DraftLayer, layer: DraftLayer) -> bool:
    between, after = before.output.quantisation, layer.output.quantisation
    if layer.is_identity and between is not None and between != after:
        return False
    if layer.is_identity and not layer.is_limited:
        return True
    if layer.is_identity and before.kind in _RANGED:
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
    before.moves = False
    before.weight = before.weight.scaled(gain)
    before.bias = Coefficients(offset)
    before.restrict(layer.low, layer.high)
    return True


_RANGED = ("conv", "max", "average", "normalise", "add", "combine", "table")
"""Kinds of layers that can clip what they write."""


def complete(draft: Draft) -> None:
    """Pass quantisations on where rounding commutes with an operator.

    Backwards, to a tensor that everyone reads in the same quantisation; forwards, where the
    results are values of the input's quantisation as they are.
    """
    readers: dict[DraftTensor, list[DraftLayer]] = {}
    for layer in draft.layers:
        for tensor in layer.inputs:
            readers.setdefault(tensor, []).append(layer)
    made = [layer.output for layer in draft.layers]
    for tensor in (*reversed(made), *draft.inputs):
        after = {
            layer.output.quantisation if layer.gives_on else None
            for layer in readers.get(tensor, ())
        }
        if tensor.quantisation is None and len(after) == 1 and tensor not in draft.outputs:
            tensor.quantisation = after.pop()
    give_meaning(draft)
    for layer in draft.layers:
        if layer.partial and layer.output.quantisation is None:
            layer.output.quantisation = _covering(layer)
        known = {tensor.quantisation for tensor in layer.inputs}
        if layer.output.quantisation is None and layer.gives_on and len(known) == 1:
            q = known.pop()
            if q is not None and all(_holds(q, bound) for bound in (layer.low, layer.high)):
                layer.output.quantisation = q


def give_meaning(draft: Draft) -> None:
    """Integers that nobody dequantises mean themselves."""
    for tensor in draft.inputs:
        if tensor.integers and tensor.quantisation is None:
            tensor.quantisation = Quantisation(1.0, 0)


def _covering(layer: DraftLayer) -> Quantisation | None:
    """The quantisation that covers every sum, or every value times its channel's gain."""
    known = [tensor.quantisation for tensor in layer.inputs]
    if any(q is None for q in known):
        return None
    ends = np.array([_reals(q) for q in known if q])
    if layer.weight is not None:
        ends = np.outer(ends, layer.weight.real().reshape(-1))
        ends = np.array([[ends.min(), ends.max()]])
    whole = ends.sum(axis=0)
    if layer.kind == "combine":  # of a chain of maxima or minima
        whole = np.array([ends[:, 0].min(), ends[:, 1].max()])
    low, high = np.clip(whole, layer.low, layer.high)
    scale = (high - low) / (INT8_MAX - INT8_MIN)
    zero = np.clip(round(INT8_MIN - low / scale), INT8_MIN, INT8_MAX)
    return Quantisation(float(scale), int(zero))


def _holds(q: Quantisation, bound: float) -> bool:
    """Whether a bound is a value of a quantisation, or beyond all of them."""
    low, high = _reals(q)
    near = np.float32(np.rint(bound / q.scale)) * np.float32(q.scale) if np.isfinite(bound) else 0
    return not low < bound < high or near == np.float32(bound)


_VIEWS = ("concat", "reshape", "slice")
"""Kinds of layers that are no instruction: the quantisation of their bytes is what it is."""


def unify(draft: Draft, once: bool) -> None:
    """Bring the inputs of concatenations, reshapes and slices to the output's quantisation.

    A 1 x 1 maximum requantises, as a quantised model rounds twice.  ``once``: a producer that no
    one else needs writes the shared quantisation directly, where the model itself does not round;
    its range keeps the values its own quantisation could hold.
    """
    producers = {layer.output: layer for layer in draft.layers}
    uses, bounds = draft.uses(), _bounds(draft)
    names = draft.names()
    inserted: dict[DraftLayer, list[DraftLayer]] = {}
    for layer in reversed(draft.layers):
        if layer.kind not in _VIEWS:
            continue
        target = layer.output.quantisation
        assert target is not None
        for index, tensor in enumerate(layer.inputs):
            before = producers.get(tensor)
            if tensor.quantisation == target:
                continue
            low, high = bounds[tensor] if once else (-np.inf, np.inf)
            if once and before is not None and before.kind != "slice" and uses[tensor] == 1:
                before.low, before.high, before.held = low, high, limits(tensor)
                tensor.quantisation = target
                continue
            name = names.fresh(f"{layer.name}/requantise_{index}")
            copy = DraftTensor(name, *tensor.shape, target)
            identity = DraftLayer("max", name, layer.origin, [tensor], copy, low=low, high=high)
            identity.held = limits(tensor)
            inserted.setdefault(layer, []).append(identity)
            layer.inputs[index] = copy
    draft.layers = [new for layer in draft.layers for new in (*inserted.get(layer, ()), layer)]


def _bounds(draft: Draft) -> dict[DraftTensor, tuple[float, float]]:
    """The range that activations leave to each tensor, as far as layers give values on."""
    bounds = dict.fromkeys(draft.inputs, (-np.inf, np.inf))
    for layer in draft.layers:
        low, high = layer.low, layer.high
        if layer.gives_on and not layer.moves:
            least, most = zip(*(bounds[tensor] for tensor in layer.inputs), strict=True)
            low, high = (float(np.clip(v, low, high)) for v in (min(least), max(most)))
        bounds[layer.output] = low, high
    return bounds


def limits(tensor: DraftTensor) -> tuple[float, float]:
    """The real values a tensor can hold."""
    assert tensor.quantisation is not None
    return _reals(tensor.quantisation)


def _reals(q: Quantisation) -> tuple[float, float]:
    return q.scale * (INT8_MIN - q.zero_point), q.scale * (INT8_MAX - q.zero_point)
