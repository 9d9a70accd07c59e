"""``load`` a model as a network and the host's share of it; ``check`` what a model lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx

from dse.network import constants, inputs
from dse.network.graph import Network, NetworkError
from dse.network.segments import segments
from dse.onnx import draft_passes as passes
from dse.onnx import integers as finish
from dse.onnx import quantise, source, walked
from dse.onnx.draft import Draft, DraftTensor
from dse.onnx.findings import HostCrossing, Problem, Report, UnsupportedError
from dse.onnx.handlers import HANDLERS, WEIGHTS
from dse.onnx.host import Arrays, Host, ImagePassage, Int8s
from dse.onnx.lowering import Lowering
from dse.onnx.on_the_spot import left_in_float
from dse.onnx.shaping import Shapes
from dse.onnx.share import Share
from dse.onnx.source import Source, node_name, operator
from dse.onnx.values import Unsupported
from dse.onnx.worth import idle

Execute = Callable[[Network, Int8s], Int8s]
Kind = Literal["float", "quantised"]
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QGemm")


@dataclass(frozen=True, eq=False)
class Imported:
    """A model ready to compile: the overlay's network and the host's share.

    The overlay executes the network in ``segments``, between which the host works; mostly in one.
    """

    network: Network
    host: Host

    @cached_property
    def segments(self) -> tuple[Network, ...]:
        """The network in parts, see ``dse.network.segments``."""
        return segments(self.network)

    def answer(self, image: Arrays, execute: Execute) -> dict[str, npt.NDArray]:
        """The outputs of one image; ``execute`` makes the outputs of a segment of its inputs."""
        passage = ImagePassage(self.host, image)
        for network in self.segments:
            passage.take(execute(network, passage.entries(network.inputs)))
        return passage.outputs()


@dataclass(frozen=True, eq=False)
class _Walked:
    """A model behind its walk: what goes where, and what cannot be."""

    model: Source
    lowering: Lowering
    share: Share
    problems: tuple[Problem, ...]

    @property
    def draft(self) -> Draft:
        return self.lowering.draft

    def require(self, strict: bool) -> None:
        """Raise UnsupportedError if the model cannot be executed."""
        if problems := self.refused(strict):
            raise UnsupportedError(problems)

    def refused(self, strict: bool) -> tuple[Problem, ...]:
        """The problems; if strict, what the host runs in the place of the overlay is one, too."""
        if not strict:
            return self.problems
        names = [node_name(node) for node in self.model.model.graph.node]
        place = {name: number for number, name in reversed(list(enumerate(names)))}
        found = dict.fromkeys((*self.problems, *self.share.strays()))
        return tuple(sorted(found, key=lambda one: place.get(one.name, len(names))))


def load(
    path: str | Path,
    calibration: Mapping[str, npt.NDArray] | None = None,
    *,
    shapes: Shapes | None = None,
    strict: bool = False,
) -> Imported:
    """Import an ONNX model.

    ``calibration``: images by ONNX input name, in the model's own type, batch axis first; needed
    by float models, which are quantised with them, and ignored for quantised ones.
    ``shapes``: of inputs with free axes.
    ``strict``: refuse operators that the host would run between layers of the overlay.

    Raises UnsupportedError listing all unsupported nodes, NetworkError for anything else.
    """
    found = _walk(source.read(path, shapes))
    found.require(strict)
    model = found.model
    rounding: finish.Rounding = "nearest"
    if _kind(model) == "float":
        _calibrate(found, calibration)
        rounding = "inwards"
    else:
        _on_the_spot(found, calibration)
    network = finish.network(found.draft, model.name, model.sha256, rounding)
    constants.verify(network)
    return Imported(network, found.share.host(network))


def outline(
    model: onnx.ModelProto | str | Path, *, shapes: Shapes | None = None, strict: bool = False
) -> Network:
    """The network of a model; of a float one its outline, which needs no calibration.

    Layers have the names that ``load`` gives them.  Raises as ``load`` does.
    """
    if isinstance(model, onnx.ModelProto):
        name = model.graph.name or "onnx"
        read = source.from_model(model, name, name)
    else:
        read = source.read(model, shapes)
    found = _walk(read)
    found.require(strict)
    if _kind(read) == "float" or left_in_float(found.draft).inputs(found.draft):
        return finish.outline(found.draft, read.name, read.sha256)
    quantise.by_reach(found.draft)
    network = finish.network(found.draft, read.name, read.sha256)
    constants.verify(network)
    return network


def check(path: str | Path, *, shapes: Shapes | None = None, strict: bool = False) -> Report:
    """What of a model cannot be executed; float models are judged without calibration.

    ``shapes``: of inputs with free axes.
    ``strict``: what the host would run between layers of the overlay counts as that, too.
    """
    found = _walk(source.read(path, shapes))
    model, share, problems = found.model, found.share, found.refused(strict)
    left = None if _kind(model) == "float" else left_in_float(found.draft)
    crossings: tuple[HostCrossing, ...] = ()
    if not problems:
        outlined = finish.outline(found.draft, model.name, model.sha256)
        crossings = share.crossings(segments(outlined))
    return Report(
        path=str(path),
        kind=_kind(model),
        layers=tuple((layer.name, layer.kind) for layer in found.draft.layers),
        places=share.places(),
        problems=problems,
        left_in_float=() if left is None else left.layers,
        open_inputs=() if left is None else tuple(left.inputs(found.draft)),
        crossings=crossings,
    )


def _walk(model: Source) -> _Walked:
    """Walk until the host has all that the overlay cannot execute, or not worth its while."""
    left: dict[int, Unsupported | None] = {}
    while True:
        lowering = Lowering(model, HANDLERS, WEIGHTS, left)
        more = {} if lowering.problems else _more(lowering, _kind(model))
        if more.keys() <= left.keys():
            break
        left |= more
    passes.fold(lowering.draft)
    if _kind(model) == "quantised":
        passes.complete(lowering.draft)
    share = Share(lowering)
    return _Walked(model, lowering, share, _problems(share))


def _more(lowering: Lowering, kind: Kind) -> Mapping[int, Unsupported | None]:
    """Nodes on the overlay that had better be the host's, by index, and why."""
    if lowering.movers:  # what else is left to do shows when they are the host's
        return lowering.movers
    found = {**dict.fromkeys(idle(lowering)), **walked.refusals(lowering)}
    if found or kind == "float":
        return found
    return {
        index: why
        for culprit, why in finish.unquantised(lowering.draft)
        for index in _nodes(lowering, culprit)
    }


def _nodes(lowering: Lowering, culprit: DraftTensor) -> list[int]:
    """The node that makes a tensor, or those that read an input."""
    if culprit in lowering.made:
        return [lowering.made[culprit]]
    return [index for index, use in lowering.uses.items() if culprit in use.tensors]


def _kind(model: Source) -> Kind:
    operators = (operator(node) for node in model.model.graph.node)
    quantised = any(op in _QUANTISED or op.startswith("QLinear") for op in operators)
    return "quantised" if quantised else "float"


def _problems(share: Share) -> tuple[Problem, ...]:
    """All problems of a model."""
    lowering = share.lowering
    problems = (*lowering.problems, *share.problems())
    if problems or lowering.draft.layers:
        return problems
    name = lowering.source.name
    nothing = Problem(name, "model", "it has no operator for the overlay", "run it on the host")
    return share.refusals() or (nothing,)


def _calibrate(found: _Walked, calibration: Mapping[str, npt.NDArray] | None) -> None:
    """Quantise the draft of a float model."""
    model = found.model
    if calibration is None:
        raise _uncalibrated(model, "a float model")
    calibration = inputs.validate(calibration, model.inputs, "calibration")
    passes.give_meaning(found.draft)
    quantise.quantise(found.draft, model.name, _entry_images(found, calibration))


def _on_the_spot(found: _Walked, calibration: Mapping[str, npt.NDArray] | None) -> None:
    """Quantise what a quantised model leaves in float: by images, or by all that it can reach."""
    left = left_in_float(found.draft)
    if left.tensors and calibration is not None:
        _calibrate(found, calibration)
    elif names := left.inputs(found.draft):
        raise _uncalibrated(found.model, f"input {names[0]!r}, which the model leaves in float,")
    else:
        quantise.by_reach(found.draft)


def _uncalibrated(model: Source, what: str) -> NetworkError:
    return NetworkError(
        f"{what} needs calibration images to be quantised: pass"
        " --calibration X.npz with some typical inputs"
        f" ({', '.join(port.name for port in model.inputs)})"
    )


def _entry_images(
    found: _Walked, calibration: Mapping[str, npt.NDArray]
) -> Iterator[dict[DraftTensor, npt.NDArray[np.float32]]]:
    """What enters the overlay of each image, where nothing is quantised yet."""
    model = found.share.entries_model()
    for image in inputs.images(calibration):
        values = {**image, **model.run(image)}
        yield {
            tensor: _reals(tensor, values[name]).reshape(_nchw(tensor))
            for tensor, name in found.lowering.entries.items()
        }


def _reals(tensor: DraftTensor, values: npt.NDArray) -> npt.NDArray[np.float32]:
    """What the host's values mean: integers that the model quantises mean others."""
    reals = values.astype(np.float32)
    q = tensor.quantisation
    if q is None or not tensor.integers:
        return reals
    shift = 128 if values.dtype == np.uint8 else 0
    return (reals - np.float32(q.zero_point + shift)) * np.float32(q.scale)


def _nchw(tensor: DraftTensor) -> tuple[int, int, int, int]:
    height, width, channels = tensor.shape
    return 1, channels, height, width
