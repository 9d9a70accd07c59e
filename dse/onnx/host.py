"""The host's share of a model: what it computes before, between and after the overlay's segments.

There is one mechanism for all three.  The host's nodes are cut into stages: stage k runs when k
segments of the overlay have ended, in the model's own types, by onnxruntime as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from dse.network.graph import Tensor
from dse.network.ports import ModelPort

Arrays = Mapping[str, npt.NDArray]
Int8s = Mapping[str, npt.NDArray[np.int8]]


@dataclass(frozen=True)
class Cut:
    """An ONNX tensor (``name``, ``dtype``, ``shape`` of one image) that is an overlay tensor."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    tensor: Tensor

    def to_overlay(self, array: npt.NDArray) -> npt.NDArray[np.int8]:
        """The model's tensor as int8 in HWC order; floats are quantised as QuantizeLinear does."""
        height, width, channels = self.tensor.shape
        image = array.reshape(channels, height, width).transpose(1, 2, 0)
        if self.dtype.kind in "iu":
            return (image.astype(np.int16) - self._shift).astype(np.int8)
        real = image.astype(np.float32)
        scaled = np.rint(real / np.float32(self.tensor.scale)) + self.tensor.zero_point
        return np.clip(scaled, -128, 127).astype(np.int8)

    def to_model(self, values: npt.NDArray[np.int8]) -> npt.NDArray:
        """An int8 HWC tensor as the model's tensor; floats as DequantizeLinear makes them."""
        image = values.astype(np.int32).transpose(2, 0, 1).reshape(self.shape)
        if self.dtype.kind in "iu":
            return (image + self._shift).astype(self.dtype)
        centred = (image - self.tensor.zero_point).astype(np.float32)
        return (centred * np.float32(self.tensor.scale)).astype(self.dtype)

    @property
    def _shift(self) -> int:
        return 128 if self.dtype == np.uint8 else 0


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Nodes of a model between named tensors, run by onnxruntime."""

    model: onnx.ModelProto = field(repr=False)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # the exception says it
        options.intra_op_num_threads = 1
        # As written: some rewrites of quantised nodes saturate on some processors, or fail.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        data = self.model.SerializeToString()
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def prepare(self) -> None:
        """Have onnxruntime load the nodes, which ``run`` does by itself."""
        assert self._session

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return tuple(value.name for value in self.model.graph.input)

    def run(self, arrays: Arrays) -> dict[str, npt.NDArray]:
        """The outputs by name; of ``arrays``, those that are inputs are used."""
        names = [value.name for value in self.model.graph.output]
        if not names:
            return {}
        feeds = {name: np.ascontiguousarray(arrays[name]) for name in self.inputs}
        return dict(zip(names, self._session.run(names, feeds), strict=True))


@dataclass(frozen=True, eq=False)
class Host:
    """From the model's inputs to the overlay's, and from the overlay's outputs to the model's.

    One image at a time, in the model's own types and shapes with a batch of one.
    ``entries`` and ``exits``: what the overlay gets and gives.  ``stages``: one more than the
    overlay has segments.  ``constants``: outputs that depend on no image.
    """

    inputs: tuple[ModelPort, ...]
    outputs: tuple[str, ...]
    entries: tuple[Cut, ...]
    exits: tuple[Cut, ...]
    stages: tuple[Subgraph, ...]
    constants: Arrays

    def before(self, image: Arrays) -> dict[str, npt.NDArray[np.int8]]:
        """What the first segment of the overlay gets of an image, and perhaps later ones."""
        passage = ImagePassage(self, image)
        passage.work()
        return {
            cut.tensor.name: cut.to_overlay(passage.values[cut.name])
            for cut in self.entries
            if cut.name in passage.values
        }

    def after(self, image: Arrays, tensors: Int8s) -> dict[str, npt.NDArray]:
        """The model's outputs, of the outputs of all segments and the image they stem from."""
        passage = ImagePassage(self, image)
        for _ in self.stages[:-1]:
            passage.work()
            passage.take(tensors)
        return passage.outputs()


class ImagePassage:
    """One image on its way through the host's stages and the overlay's segments, in turns.

    ``entries`` of a segment, then ``take`` what it made, for each of them; ``outputs`` at the end.
    """

    def __init__(self, host: Host, image: Arrays) -> None:
        self.values: dict[str, npt.NDArray] = {**image, **host.constants}
        self._host = host
        self._stages = iter(host.stages)
        self._made: dict[str, npt.NDArray[np.int8]] = {}

    def work(self) -> None:
        """The host's next stage."""
        self.values.update(next(self._stages).run(self.values))

    def entries(self, names: Iterable[str]) -> dict[str, npt.NDArray[np.int8]]:
        """The next segment's inputs by tensor name, int8 HWC."""
        self.work()
        cuts = {cut.tensor.name: cut for cut in self._host.entries}
        return {
            name: self._made[name]
            if name in self._made
            else cuts[name].to_overlay(self.values[cuts[name].name])
            for name in names
        }

    def take(self, tensors: Int8s) -> None:
        """What the overlay has made, at least all outputs of a segment."""
        self._made.update(tensors)
        for cut in self._host.exits:
            if cut.tensor.name in tensors:
                self.values[cut.name] = cut.to_model(tensors[cut.tensor.name])

    def outputs(self) -> dict[str, npt.NDArray]:
        """The model's outputs by name."""
        self.work()
        return {name: self.values[name] for name in self._host.outputs}
