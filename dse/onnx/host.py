"""The host's share of a model: what happens before and after the overlay, in the model's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from dse.network.graph import Tensor
from dse.network.ports import ModelPort
from dse.onnx.source import IR_VERSION, Source, node_inputs

Arrays = Mapping[str, npt.NDArray]


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

    Both ways one image at a time, in the model's own types and shapes with a batch of one.
    ``constants``: outputs that depend on no image.
    """

    inputs: tuple[ModelPort, ...]
    outputs: tuple[str, ...]
    entries: tuple[Cut, ...]
    exits: tuple[Cut, ...]
    head: Subgraph
    tail: Subgraph
    constants: Arrays

    def before(self, image: Arrays) -> dict[str, npt.NDArray[np.int8]]:
        """The network's inputs by tensor name, int8 HWC, of one image of the model's inputs."""
        values = {**image, **self.head.run(image)}
        return {cut.tensor.name: cut.to_overlay(values[cut.name]) for cut in self.entries}

    def after(
        self, image: Arrays, tensors: Mapping[str, npt.NDArray[np.int8]]
    ) -> dict[str, npt.NDArray]:
        """The model's outputs by name, of the network's outputs (and the image they stem from)."""
        values = {cut.name: cut.to_model(tensors[cut.tensor.name]) for cut in self.exits}
        values = {**image, **self.constants, **values}
        values.update(self.tail.run(values))
        return {name: values[name] for name in self.outputs}


def subgraph(source: Source, known: Mapping[str, np.dtype], targets: set[str]) -> Subgraph:
    """The nodes that compute ``targets`` from the ``known`` tensors, constants included."""
    model = source.model
    graph = model.graph
    wanted = targets - set(known)
    kept = []
    for node in reversed(graph.node):
        if any(name in wanted for name in node.output):
            kept.append(node)
            wanted.update(name for name in node_inputs(node) if name not in known)
    read = {name for node in kept for name in node_inputs(node)}
    made = {name for node in kept for name in node.output}
    part = helper.make_graph(
        list(reversed(kept)),
        graph.name or "part",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), None)
            for name, dtype in known.items()
            if name in read
        ],
        [helper.make_empty_tensor_value_info(name) for name in sorted(targets & made)],
        [numpy_helper.from_array(a, name) for name, a in source.constants.items() if name in read],
    )
    result = helper.make_model(part, opset_imports=model.opset_import, functions=model.functions)
    result.ir_version = IR_VERSION
    return Subgraph(result)
