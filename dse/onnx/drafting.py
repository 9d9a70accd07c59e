"""The draft as handlers see it: what a node's operands are, and what it makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx

from dse.network.graph import Quantisation
from dse.network.names import Names
from dse.network.tensor import Shape
from dse.onnx.draft import Draft, DraftLayer, DraftTensor
from dse.onnx.gather import Gatherer
from dse.onnx.source import Known, Source, attribute, node_name, operator
from dse.onnx.values import (
    Const,
    HostValue,
    Illegal,
    OverlayValue,
    Unsupported,
    Value,
    extents,
    quantisation,
    stand_in,
)

_ON_THE_OVERLAY = (np.int8, np.uint8, np.float16, np.float32, np.float64)
"""Types of tensors that can enter the overlay: integers as they are, reals quantised."""


class Drafting:
    """A draft that grows: ``values`` and ``known`` are what the tensors so far are, by ONNX name.

    ``entries`` holds the ONNX tensor behind each draft input, ``stand_ins`` the tensors in place
    of those that no layer makes.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.draft = Draft()
        self.entries: dict[DraftTensor, str] = {}
        self.values: dict[str, Value] = {}
        self.known: dict[str, Known] = {}
        self.stand_ins: set[DraftTensor] = set()
        self._gathered: dict[str, OverlayValue] = {}
        self._rounded: dict[tuple[DraftTensor, Quantisation], DraftTensor] = {}
        self._names, self._layers = Names(()), Names(())
        nodes = enumerate(source.model.graph.node)
        self._makers = {name: index for index, node in nodes for name in node.output}
        for port in source.inputs:
            self.values[port.name] = HostValue(port.name, port.name)
            self.known[port.name] = Known(port.shape, port.dtype)
        for name, array in source.constants.items():
            self.values[name] = Const(array)
            self.known[name] = Known(array.shape, array.dtype, array)

    def operand(self, node: onnx.NodeProto, index: int = 0) -> OverlayValue:
        """Input ``index`` as a tensor of the overlay; a value of the host enters it here."""
        value = self.seen(node, index)
        return value if value.elements is None else self.gathered(node.input[index], value)

    def gathered(self, name: str, value: OverlayValue) -> OverlayValue:
        """A view made into a tensor of its own, once however many read it."""
        if name not in self._gathered:
            made = Gatherer(self.add, name, operator(self.maker(name))).whole(value)
            self._gathered[name] = OverlayValue(made, value.shape, value.dtype)
        return self._gathered[name]

    def permuted(self, node: onnx.NodeProto, index: int = 0) -> OverlayValue:
        """Input ``index`` as it is if it shows all of a tensor, in whatever order."""
        value = self.seen(node, index)
        whole = value.elements is None or value.elements.size == math.prod(value.tensor.shape)
        return value if whole else self.operand(node, index)

    def seen(self, node: onnx.NodeProto, index: int = 0) -> OverlayValue:
        """Input ``index`` as it is, which may be a view of some of a tensor's values."""
        name = node.input[index]
        value = self.values[name]
        if isinstance(value, HostValue):
            value = self.enter(value)
        if not isinstance(value, OverlayValue):
            raise Unsupported(
                f"its input {name!r} is constant", "fold it, e.g. with onnxruntime's optimiser"
            )
        return value

    def in_order(self, node: onnx.NodeProto) -> OverlayValue:
        """The first input as it is; what comes from the host lies in the order of its last axis."""
        value = self.values[node.input[0]]
        if not isinstance(value, HostValue):
            return self.seen(node)
        shape = self.known[value.name].shape
        return self.enter(value, lies=None if shape is None else (1, math.prod(shape), 1))

    def enter(
        self, value: HostValue, known: Quantisation | None = None, lies: Shape | None = None
    ) -> OverlayValue:
        """Make a value of the host an input of the network; ``lies``: other extents than ONNX's."""
        shape, dtype = self.known[value.name].shape, self.known[value.name].dtype
        if shape is None or dtype is None:
            raise Unsupported(
                f"the shape of its input {value.name!r} depends on values at run time",
                "export the model with a batch axis and fixed image size",
            )
        if dtype not in _ON_THE_OVERLAY:
            raise Unsupported(
                f"its input {value.name!r} is {dtype}", "the overlay computes with int8 numbers"
            )
        if not shape or shape[0] != 1:
            raise Unsupported(
                f"its input {value.name!r} of shape {shape} is not one image",
                "export the model with the batch as its first axis",
            )
        if value.refusal is not None:
            raise value.refusal
        quantised, lies = value.quantisation or known, lies or extents(shape)
        for tensor, entry in self.entries.items():
            root = self.values[entry]
            assert isinstance(root, HostValue)
            if (root.root, quantised, lies) == (value.root, tensor.quantisation, tensor.shape):
                return OverlayValue(tensor, shape, dtype)
        tensor = DraftTensor(self._names.fresh(value.root), *lies, quantised)
        tensor.integers = dtype in (np.int8, np.uint8)
        tensor.segment = value.segment
        self.draft.inputs.append(tensor)
        self.entries[tensor] = value.name
        return OverlayValue(tensor, shape, dtype)

    def constant(self, node: onnx.NodeProto, index: int) -> Const | None:
        """Input ``index`` as a constant; None if it is omitted."""
        if index >= len(node.input) or not node.input[index]:
            return None
        value = self.values[node.input[index]]
        if not isinstance(value, Const):
            raise Unsupported(
                f"its input {node.input[index]!r} is not constant",
                "make it an initializer, or run this node on the host",
            )
        return value

    def array(self, node: onnx.NodeProto, index: int) -> np.ndarray | None:
        """Input ``index`` as a constant array; None if it is omitted."""
        value = self.constant(node, index)
        return None if value is None else value.real()

    def quantisation(self, node: onnx.NodeProto) -> Quantisation:
        """What a QuantizeLinear writes or a DequantizeLinear reads."""
        integers = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
        dtype = self.known[integers].dtype
        scale, zero_point = self.array(node, 1), self.array(node, 2)
        assert dtype is not None and scale is not None
        if attribute(node, "block_size", 0):
            raise Unsupported("it quantises in blocks", "quantise activations per tensor")
        return quantisation(scale, zero_point, dtype)

    def holds_integers(self, name: str) -> bool:
        """Whether a variable of the model is of integers, quantised or not."""
        dtype = self.known[name].dtype
        variable = not isinstance(self.values[name], Const)
        return variable and dtype is not None and dtype.kind in "iu"

    def add(self, layer: DraftLayer) -> DraftTensor:
        """Append a layer; it and its output get names of their own."""
        if layer.bias is not None and not np.isfinite(layer.bias.real()).all():
            raise Illegal("its bias is not finite", "train or export the model again")
        layer.name = self._layers.fresh(layer.name)
        layer.output.name = self._names.fresh(layer.output.name)
        layer.output.segment = max(tensor.segment for tensor in layer.inputs)
        self.draft.layers.append(layer)
        return layer.output

    def rounded(
        self, node: onnx.NodeProto, tensor: DraftTensor, known: Quantisation
    ) -> DraftTensor:
        """The tensor in a quantisation that it does not have, made once however many read it."""
        found = self._rounded.get((tensor, known))
        if found is None:
            result = DraftTensor(node.output[0], *tensor.shape, known)
            found = self.add(DraftLayer("max", node_name(node), node.op_type, [tensor], result))
            self._rounded[tensor, known] = found
        return found

    def set(self, node: onnx.NodeProto, value: Value, index: int = 0) -> None:
        """Record the value of the node's first output, or of another."""
        if node.output[index]:
            self.values[node.output[index]] = value

    def stand_in(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> OverlayValue:
        """A tensor in place of one that no layer makes, so that what follows can be judged."""
        tensor = DraftTensor(self._names.fresh(name), *stand_in(shape))
        self.draft.inputs.append(tensor)
        self.stand_ins.add(tensor)
        return OverlayValue(tensor, shape, dtype)

    def undo(self, inputs: int, layers: int) -> None:
        """Take back what a handler had done before it refused."""
        gone = {layer.output for layer in self.draft.layers[layers:]}
        self._rounded = {key: t for key, t in self._rounded.items() if t not in gone}
        self._gathered = {n: v for n, v in self._gathered.items() if v.tensor not in gone}
        for tensor in self.draft.inputs[inputs:]:
            self._names.release(tensor.name)
            del self.entries[tensor]
        del self.draft.inputs[inputs:], self.draft.layers[layers:]

    def rename(self, tensor: DraftTensor, name: str) -> None:
        """Another name for a tensor, or the first variant of it that is free."""
        self._names.release(tensor.name)
        tensor.name = self._names.fresh(name)

    def entitle(self, tensor: DraftTensor, name: str, layers: Sequence[DraftLayer]) -> None:
        """Give the tensor that a node's layers end in the node's name, which a part may have."""
        made = [layer.output for layer in layers]
        if tensor not in made or tensor.name == name:
            return
        for part in made:
            if part.name == name:
                part.name, tensor.name = tensor.name, name
                return
        self.rename(tensor, name)

    def maker(self, name: str) -> onnx.NodeProto:
        """The node that makes a tensor."""
        return self.source.model.graph.node[self._makers[name]]
