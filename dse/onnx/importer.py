"""``load`` a model as a network and the host's share of it; ``check`` what a model lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx

from dse.network import constants, inputs
from dse.network.graph import Network, NetworkError, Tensor
from dse.onnx import draft_passes as passes
from dse.onnx import integers as finish
from dse.onnx import quantise, source, trial, walked
from dse.onnx.draft import DraftTensor
from dse.onnx.findings import Place, Problem, Report, UnsupportedError
from dse.onnx.handlers import HANDLERS, WEIGHTS
from dse.onnx.host import Cut, Host, Subgraph, subgraph
from dse.onnx.lowering import Lowering
from dse.onnx.on_the_spot import left_in_float
from dse.onnx.source import Known, Source, node_name, operator
from dse.onnx.values import INCONSISTENT, AfterValue, Const

_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QGemm")


@dataclass(frozen=True, eq=False)
class Imported:
    """A model ready to compile: the overlay's network and the host's share."""

    network: Network
    host: Host


def load(path: str | Path, calibration: Mapping[str, npt.NDArray] | None = None) -> Imported:
    """Import an ONNX model.

    ``calibration``: images by ONNX input name, in the model's own type, batch axis first; needed
    by float models, which are quantised with them, and ignored for quantised ones.

    Raises UnsupportedError listing all unsupported nodes, NetworkError for anything else.
    """
    model = source.read(path)
    lowering = _lower(model)
    problems = _problems(model, lowering)
    if problems:
        raise UnsupportedError(problems)
    rounding: finish.Rounding = "nearest"
    if _kind(model) == "float":
        _calibrate(model, lowering, calibration)
        rounding = "inwards"
    else:
        _on_the_spot(model, lowering, calibration)
    network = finish.network(lowering.draft, model.name, model.sha256, rounding)
    constants.verify(network)
    return Imported(network, _host(model, lowering, network))


def outline(model: onnx.ModelProto | str | Path) -> Network:
    """The network of a model; of a float one its outline, which needs no calibration.

    Layers have the names that ``load`` gives them.  Raises as ``load`` does.
    """
    if isinstance(model, onnx.ModelProto):
        name = model.graph.name or "onnx"
        read = source.from_model(model, name, name)
    else:
        read = source.read(model)
    lowering = _lower(read)
    problems = _problems(read, lowering)
    if problems:
        raise UnsupportedError(problems)
    if _kind(read) == "float" or left_in_float(lowering.draft).inputs(lowering.draft):
        return finish.outline(lowering.draft, read.name, read.sha256)
    quantise.by_reach(lowering.draft)
    network = finish.network(lowering.draft, read.name, read.sha256)
    constants.verify(network)
    return network


def check(path: str | Path) -> Report:
    """What of a model the overlay cannot execute; float models are judged without calibration."""
    model = source.read(path)
    lowering = _lower(model)
    problems = _problems(model, lowering)
    return Report(
        path=str(path),
        kind=_kind(model),
        layers=tuple((layer.name, layer.kind) for layer in lowering.draft.layers),
        places={place: tuple(names) for place, names in lowering.places.items()},
        problems=problems,
        left_in_float=() if _kind(model) == "float" else left_in_float(lowering.draft).layers,
    )


def _lower(model: Source) -> Lowering:
    return Lowering(model, HANDLERS, WEIGHTS)


def _kind(model: Source) -> Literal["float", "quantised"]:
    operators = (operator(node) for node in model.model.graph.node)
    quantised = any(op in _QUANTISED or op.startswith("QLinear") for op in operators)
    return "quantised" if quantised else "float"


def _problems(model: Source, lowering: Lowering) -> tuple[Problem, ...]:
    """All problems of a model; what is left unquantised matters only if all nodes are known."""
    if lowering.problems or _kind(model) == "float":
        passes.fold(lowering.draft)
        problems = tuple(lowering.problems)
    else:
        problems = tuple(finish.unquantised(lowering.draft))
    problems += (*_host_problems(model, lowering), *walked.problems(lowering.draft))
    if problems or lowering.draft.layers:
        return problems
    reason = "it has no operator for the overlay"
    return (Problem(model.name, "model", reason, "run it on the host"),)


def _host_problems(model: Source, lowering: Lowering) -> Iterator[Problem]:
    """What onnxruntime cannot run of the host's share."""
    made = {name for name in model.outputs if isinstance(lowering.values[name], AfterValue)}
    parts: tuple[tuple[Place, Subgraph], ...] = (
        ("head", _head(model, lowering)),
        ("tail", _tail(model, lowering, made)),
    )
    for place, part in parts:
        reason = trial.failure(part) if lowering.places[place] else ""
        if reason:
            name = lowering.places[place][0]
            op = next(operator(n) for n in model.model.graph.node if node_name(n) == name)
            side = "before" if place == "head" else "after"
            reason = f"onnxruntime cannot load the nodes {side} the overlay: {reason}"
            yield Problem(name, op, reason, INCONSISTENT)


def _calibrate(
    model: Source, lowering: Lowering, calibration: Mapping[str, npt.NDArray] | None
) -> None:
    """Quantise the draft of a float model."""
    if calibration is None:
        raise _uncalibrated(model, "a float model")
    calibration = inputs.validate(calibration, model.inputs, "calibration")
    passes.give_meaning(lowering.draft)
    images = _entry_images(model, lowering, calibration)
    quantise.quantise(lowering.draft, model.name, images)


def _on_the_spot(
    model: Source, lowering: Lowering, calibration: Mapping[str, npt.NDArray] | None
) -> None:
    """Quantise what a quantised model leaves in float: by images, or by all that it can reach."""
    left = left_in_float(lowering.draft)
    if left.tensors and calibration is not None:
        _calibrate(model, lowering, calibration)
    elif names := left.inputs(lowering.draft):
        raise _uncalibrated(model, f"input {names[0]!r}, which the model leaves in float,")
    else:
        quantise.by_reach(lowering.draft)


def _uncalibrated(model: Source, what: str) -> NetworkError:
    return NetworkError(
        f"{what} needs calibration images to be quantised: pass"
        " --calibration X.npz with some typical inputs"
        f" ({', '.join(port.name for port in model.inputs)})"
    )


def _entry_images(
    model: Source, lowering: Lowering, calibration: Mapping[str, npt.NDArray]
) -> Iterator[dict[DraftTensor, npt.NDArray[np.float32]]]:
    head = _head(model, lowering)
    for image in inputs.images(calibration):
        values = {**image, **head.run(image)}
        yield {
            tensor: _reals(tensor, values[name]).reshape(_nchw(tensor))
            for tensor, name in lowering.entries.items()
        }


def _reals(tensor: DraftTensor, values: npt.NDArray) -> npt.NDArray[np.float32]:
    """What the host's values mean: integers that the model quantises mean others."""
    reals = values.astype(np.float32)
    q = tensor.quantisation
    if q is None or not tensor.integers:
        return reals
    shift = 128 if values.dtype == np.uint8 else 0
    return (reals - np.float32(q.zero_point + shift)) * np.float32(q.scale)


def _host(model: Source, lowering: Lowering, network: Network) -> Host:
    entries = tuple(
        _entry(name, lowering.known[name], network.tensors[tensor.name])
        for tensor, name in lowering.entries.items()
    )
    exits = tuple(
        Cut(name, view.dtype, view.shape, network.tensors[view.tensor.name])
        for name, view in lowering.exits.items()
    )
    constant = {name: v for name in model.outputs if isinstance(v := lowering.values[name], Const)}
    return Host(
        inputs=model.inputs,
        outputs=model.outputs,
        entries=entries,
        exits=exits,
        head=_head(model, lowering),
        tail=_tail(model, lowering, set(model.outputs) - set(constant)),
        constants={
            name: _read_only(value.real().astype(lowering.known[name].dtype))
            for name, value in constant.items()
        },
    )


def _read_only(array: npt.NDArray) -> npt.NDArray:
    array.setflags(write=False)
    return array


def _entry(name: str, known: Known, tensor: Tensor) -> Cut:
    assert known.dtype is not None and known.shape is not None
    return Cut(name, known.dtype, known.shape, tensor)


def _head(model: Source, lowering: Lowering) -> Subgraph:
    sources = {port.name: port.dtype for port in model.inputs}
    return subgraph(model, sources, set(lowering.entries.values()))


def _tail(model: Source, lowering: Lowering, outputs: set[str]) -> Subgraph:
    sources = {port.name: port.dtype for port in model.inputs}
    exits = {name: view.dtype for name, view in lowering.exits.items()}
    return subgraph(model, sources | exits, outputs)


def _nchw(tensor: DraftTensor) -> tuple[int, int, int, int]:
    height, width, channels = tensor.shape
    return 1, channels, height, width
