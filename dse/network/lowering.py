"""From ONNX nodes to a draft: one walk that lowers, cuts off head and tail, collects problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from dse.network import folding
from dse.network.draft import Draft, DraftTensor, Layer
from dse.network.graph import Quantisation
from dse.network.places import COMPUTE, HEAD, TAIL
from dse.network.remedies import UNKNOWN_REMEDY, unknown
from dse.network.report import Problem
from dse.network.source import MALFORMED, Source, first_line, node_inputs, node_name, operator
from dse.network.values import (
    AfterValue,
    Const,
    HostValue,
    UnknownValue,
    Unsupported,
    Value,
    View,
    extents,
    quantisation,
)

_ON_THE_OVERLAY = (np.int8, np.uint8, np.float16, np.float32, np.float64)
"""Types of tensors that can enter the overlay: integers as they are, reals quantised."""

Handler = Callable[["Lowering", onnx.NodeProto], None]


class Lowering:
    """The state of one walk over a model.

    Afterwards ``draft`` holds the layers, ``problems`` the nodes that could not be lowered,
    ``entries`` the ONNX tensor behind each draft input, ``exits`` the overlay's tensors that the
    host reads, by ONNX name, and ``head``/``tail`` the names of the nodes left to the host.
    """

    def __init__(self, source: Source, handlers: dict[str, Handler]) -> None:
        self.source = source
        self.draft = Draft()
        self.problems: list[Problem] = []
        self.entries: dict[DraftTensor, str] = {}
        self.exits: dict[str, View] = {}
        self.head: list[str] = []
        self.tail: list[str] = []
        self.values: dict[str, Value] = {}
        self._handlers = handlers
        self._names: set[str] = set()
        self._layers: set[str] = set()
        graph = source.model.graph
        self._feeds_compute = _before_compute(graph.node)
        self._read = {name for node in graph.node for name in node_inputs(node)}
        self._read.update(source.outputs)
        for port in source.inputs:
            self.values[port.name] = HostValue(port.name, port.name)
        self.values.update({name: Const(array) for name, array in source.constants.items()})
        for index, node in enumerate(graph.node):
            self._lower(index, node)
        for name in source.outputs:
            value = self.values[name]
            if isinstance(value, View):
                self._exit(name, value)
        self.draft.outputs = list(dict.fromkeys(view.tensor for view in self.exits.values()))

    # What handlers call.

    def operand(self, node: onnx.NodeProto, index: int = 0) -> View:
        """Input ``index`` as a tensor of the overlay; a value of the host enters it here."""
        name = node.input[index]
        value = self.values[name]
        if isinstance(value, HostValue):
            value = self.enter(value)
        if not isinstance(value, View):
            raise Unsupported(
                f"its input {name!r} is constant", "fold it, e.g. with onnxruntime's optimiser"
            )
        return value

    def enter(self, value: HostValue, known: Quantisation | None = None) -> View:
        """Make a value of the host an input of the network."""
        shape = self.source.shapes.get(value.name)
        dtype = self.source.dtypes.get(value.name)
        if not shape or dtype is None or shape[0] != 1:
            raise Unsupported(
                f"the shape of its input {value.name!r} is not that of one image",
                "export the model with a batch axis and fixed image size",
            )
        if dtype not in _ON_THE_OVERLAY:
            raise Unsupported(
                f"its input {value.name!r} is {dtype}", "the overlay computes with int8 numbers"
            )
        quantised = value.quantisation or known
        for tensor, entry in self.entries.items():
            root = self.values[entry]
            assert isinstance(root, HostValue)
            if root.root == value.root and tensor.quantisation == quantised:
                return View(tensor, shape, dtype)
        tensor = DraftTensor(_unique(value.root, self._names), *extents(shape), quantised)
        self.draft.inputs.append(tensor)
        self.entries[tensor] = value.name
        return View(tensor, shape, dtype)

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

    def add(self, layer: Layer) -> DraftTensor:
        """Append a layer; it and its output get names of their own."""
        layer.name = _unique(layer.name, self._layers)
        layer.output.name = _unique(layer.output.name, self._names)
        self.draft.layers.append(layer)
        return layer.output

    def set(self, node: onnx.NodeProto, value: Value) -> None:
        """Record the value of the node's first output."""
        self.values[node.output[0]] = value

    # The walk.

    def _lower(self, index: int, node: onnx.NodeProto) -> None:
        try:
            self._place(index, node)
        except MALFORMED as error:
            reason = f"its inputs or attributes are inconsistent: {first_line(error)}"
            self._report(node, operator(node), Unsupported(reason, "export the model again"))
            self._forget(node)

    def _place(self, index: int, node: onnx.NodeProto) -> None:
        """Decide who runs the node: nobody (a constant), the host, or the overlay."""
        values = [self.values[name] for name in node_inputs(node)]
        op = operator(node)
        variables = [value for value in values if not isinstance(value, Const)]
        if not variables and folding.can_fold(node):
            self._fold(node, op)
        elif any(isinstance(value, AfterValue) for value in variables):
            self._leave_to_tail(node)
        elif op in HEAD and len(variables) == 1 and isinstance(variables[0], HostValue):
            self._leave_to_head(node, op, variables[0])
        elif op in self._handlers and any(isinstance(v, UnknownValue) for v in variables):
            self._forget(node)
        else:
            self._handle(index, node, op)

    def _handle(self, index: int, node: onnx.NodeProto, op: str) -> None:
        try:
            if op not in self._handlers:
                raise unknown(op)
            for name in node.output[1:]:
                if name in self._read:
                    raise Unsupported(f"its further output {name!r} is used", UNKNOWN_REMEDY)
            self._handlers[op](self, node)
        except Unsupported as problem:
            if op in TAIL and index not in self._feeds_compute:
                self._leave_to_tail(node)
                return
            self._report(node, op, problem)
            self._forget(node)

    def _fold(self, node: onnx.NodeProto, op: str) -> None:
        values = {name: self.values[name] for name in node.input if name}
        try:
            results = folding.fold(node, op, values, self.source.opset)
        except Unsupported as problem:
            self._report(node, op, problem)
            self._forget(node)
            return
        self.values.update(results)

    def _leave_to_head(self, node: onnx.NodeProto, op: str, value: HostValue) -> None:
        name, root, known = node.output[0], node.output[0], None
        if op in ("QuantizeLinear", "DequantizeLinear"):
            try:
                scale, zero = self.array(node, 1), self.array(node, 2)
                assert scale is not None
                known, _ = quantisation(scale, zero)
            except Unsupported as problem:
                self._report(node, op, problem)
            root = value.root
        self.values[name] = HostValue(name, root, known)
        self.values.update({name: UnknownValue() for name in node.output[1:] if name})
        self.head.append(node_name(node))

    def _leave_to_tail(self, node: onnx.NodeProto) -> None:
        for name in node_inputs(node):
            value = self.values[name]
            if isinstance(value, View):
                self._exit(name, value)
        self.values.update({name: AfterValue() for name in node.output if name})
        self.tail.append(node_name(node))

    def _exit(self, name: str, view: View) -> None:
        self.exits[name] = view
        if name in self.source.outputs and view.tensor.name not in self.source.outputs:
            self._names.discard(view.tensor.name)
            view.tensor.name = _unique(name, self._names)

    def _report(self, node: onnx.NodeProto, op: str, problem: Unsupported) -> None:
        self.problems.append(Problem(node_name(node), op, problem.reason, problem.remedy))

    def _forget(self, node: onnx.NodeProto) -> None:
        """Give the outputs of a node that was not lowered what is known of them: their shapes."""
        for name in node.output:
            shape = self.source.shapes.get(name)
            if name and shape and 2 <= len(shape) <= 4:
                dtype = self.source.dtypes.get(name, np.dtype(np.float32))
                tensor = DraftTensor(_unique(name, self._names), *extents(shape))
                self.draft.inputs.append(tensor)
                self.values[name] = View(tensor, shape, dtype)
            elif name:
                self.values[name] = UnknownValue()


def _unique(name: str, taken: set[str]) -> str:
    """The name, or the first numbered variant of it, that is not taken; it is from now on."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def _before_compute(nodes: Sequence[onnx.NodeProto]) -> set[int]:
    """Indices of the nodes from which a compute operator can be reached."""
    needed: set[str] = set()
    found = set()
    for index, node in reversed(list(enumerate(nodes))):
        feeds = any(name in needed for name in node.output)
        if feeds:
            found.add(index)
        if feeds or operator(node) in COMPUTE:
            needed.update(node_inputs(node))
    return found
