"""Quantisation of a float draft: int8 activations by the least and largest value of each tensor.

A scale is all that calibration decides.  Ranges of activations (Relu, Clip) stay in the draft and
hold whatever calibration saw.  Weights become symmetric int8 per output channel in ``finish``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import onnxruntime

from dse.network.graph import INT8_MAX, INT8_MIN, NetworkError, Quantisation
from dse.network.operators import Combination
from dse.onnx import float_model as emit
from dse.onnx.draft import Draft, DraftLayer, DraftTensor
from dse.onnx.draft_passes import limits
from dse.onnx.saturation import Arguments, arguments, told_apart
from dse.onnx.source import first_line

Range = tuple[float, float]

_UNSEEN_INPUT: Range = (-4.0, 4.0)
"""The range of an input that calibration saw only as zero: four standard deviations."""

_UNSEEN = 2.0**-16
"""A tensor that moved by less than this share of what it can reach counts as never seen."""


def quantise(
    draft: Draft, name: str, images: Iterator[Mapping[DraftTensor, npt.NDArray[np.float32]]]
) -> None:
    """Give every tensor of a draft that has none its quantisation.

    ``images``: the draft's inputs, NCHW, one image at a time.
    """
    seen = _calibrate(draft, name, images)
    told = arguments(draft)
    for tensor in draft.inputs:
        if tensor.quantisation is None:
            low, high = _with_zero(seen[tensor])
            low, high = (low, high) if low < high else _UNSEEN_INPUT
            tensor.quantisation = _quantisation(low, high, exceed=False)
    for layer in draft.layers:
        tensor = layer.output
        if tensor.quantisation is not None:
            continue
        joined = layer.inputs if layer.kind == "concat" else [tensor]
        exceed = any(seen[part][0] == seen[part][1] for part in joined)
        own = _quantisation(*_range(layer, seen[tensor], told), exceed)
        tensor.quantisation = _passed_on(layer) or own


def by_reach(draft: Draft) -> None:
    """Give every tensor that has no quantisation one that holds all that its layer can reach."""
    told = arguments(draft)
    for layer in draft.layers:
        tensor = layer.output
        if tensor.quantisation is None:
            own = _quantisation(*_range(layer, (0.0, 0.0), told), exceed=False)
            tensor.quantisation = _passed_on(layer) or own


def _calibrate(
    draft: Draft, name: str, images: Iterator[Mapping[DraftTensor, npt.NDArray[np.float32]]]
) -> dict[DraftTensor, Range]:
    """The least and largest value of each tensor over all images."""
    names = emit.numbers(draft)
    seen = dict.fromkeys(names, (np.inf, -np.inf))
    try:
        session = _session(emit.float_model(draft, names).SerializeToString())
        outputs = [layer.output for layer in draft.layers]
        for image in images:
            results = session.run(None, {names[t]: array for t, array in image.items()})
            for tensor, array in (*image.items(), *zip(outputs, results, strict=True)):
                low, high = seen[tensor]
                seen[tensor] = min(low, float(array.min())), max(high, float(array.max()))
                if not np.isfinite(seen[tensor]).all():
                    raise ValueError(f"{tensor.name!r} has values that are not finite")
    except Exception as error:  # onnxruntime raises its own Fail and others
        raise NetworkError(
            f"{name!r} cannot be calibrated: {first_line(error)};"
            " check that weights and calibration images are sound"
        ) from error
    return seen


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the exception says it
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _passed_on(layer: DraftLayer) -> Quantisation | None:
    """The quantisation of a layer's inputs, if it can give on their values as they are."""
    known = {tensor.quantisation for tensor in layer.inputs}
    gives_on = layer.gives_on and not layer.is_limited
    return known.pop() if gives_on and len(known) == 1 else None


def _range(layer: DraftLayer, seen: Range, told: Arguments) -> Range:
    """The range that a layer's output shall hold, as far as functions tell its values apart."""
    low, high = _reached(layer, seen)
    functions = told.get(layer.output, ())
    return _with_zero(told_apart(functions, low, high)) if functions else (low, high)


def _reached(layer: DraftLayer, seen: Range) -> Range:
    """What a layer's output reached, or else all it can reach."""
    low, high = _with_zero(seen)
    least, most = _with_zero(tuple(np.clip(_reach(layer), layer.low, layer.high)))
    if high - low > (most - least) * _UNSEEN:
        return low, high
    if least < most:
        return least, most
    return limits(layer.inputs[0])  # it can only be zero, which every quantisation holds


def _reach(layer: DraftLayer) -> Range:
    """The least and largest value that a layer can compute from what its inputs can hold."""
    low, high = np.transpose([limits(tensor) for tensor in layer.inputs])
    if layer.kind == "add":
        return float(low.sum()), float(high.sum())
    if layer.kind == "combine":
        return _combined(layer.combination, (low[0], high[0]), (low[1], high[1]))
    if layer.normalisation is not None:
        largest = layer.normalisation.gain.largest
        return float(low[0] * largest), float(high[0] * largest)
    if layer.function is not None:
        known = layer.inputs[0].quantisation
        assert known is not None
        values = layer.function.reach(known)
        finite = values[np.isfinite(values)]
        return float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    if layer.weight is None:
        return float(low.min()), float(high.max())
    weight = layer.weight.real().reshape(len(layer.weight.values), -1).astype(np.float64)
    bias = 0.0 if layer.bias is None else layer.bias.real()
    positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    least = low[0] * positive + high[0] * negative + bias
    most = high[0] * positive + low[0] * negative + bias
    return float(least.min()), float(most.max())


def _combined(combination: Combination, one: Range, other: Range) -> Range:
    """The least and largest value that two can be combined to."""
    pair = np.array([one, other])
    match combination:
        case "product":
            ends = np.outer(one, other)
        case "sum":
            ends = pair.sum(axis=0)
        case "difference":
            ends = pair[0] - pair[1, ::-1]
        case "reverse":
            ends = pair[1] - pair[0, ::-1]
        case "maximum":
            ends = pair.max(axis=0)
        case "minimum":
            ends = pair.min(axis=0)
    return float(ends.min()), float(ends.max())


def _with_zero(values: Range) -> Range:
    """Zero must be held exactly: padding reads it."""
    return min(values[0], 0.0), max(values[1], 0.0)


def _quantisation(low: float, high: float, exceed: bool) -> Quantisation:
    """The finest int8 values that hold zero, ``low`` and ``high``.

    The scale is a float32: rounded so that DequantizeLinear of an end's integer is not beyond that
    end, as a bound must hold; with ``exceed`` not short of it, as a constant must be reached.
    """
    steps = INT8_MAX - INT8_MIN
    exact = steps * -low / (high - low)
    below = min((np.floor(exact), np.ceil(exact)), key=lambda n: max(_ends(low, high, n)))
    real, integer, end = max(_ends(low, high, below))
    scale, away = np.float32(real), np.float32(np.inf if exceed else 0)
    while (reached := np.float32(integer) * scale) != np.float32(end):
        if (reached > np.float32(end)) == exceed:
            break
        scale = np.nextafter(scale, away)
    return Quantisation(float(scale), int(INT8_MIN + below))


def _ends(low: float, high: float, below: float) -> list[tuple[float, float, float]]:
    """(scale, integer, end) of both ends, with ``below`` integers under zero."""
    above = INT8_MAX - INT8_MIN - below
    ends = ((below, -low), (above, high))
    return [(end / n if n else np.inf, n, end) for n, end in ends if n or end]
