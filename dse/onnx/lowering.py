"""From ONNX nodes to a draft: one walk that lowers, cuts off head and tail, collects problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
import onnx

from dse.network.graph import Quantisation
from dse.onnx import folding, lower_table, trial
from dse.onnx.batch import SINGLE, Together
from dse.onnx.draft import Draft, DraftLayer, DraftTensor
from dse.onnx.elementwise import Functions
from dse.onnx.findings import Place, Problem
from dse.onnx.gather import Gatherer
from dse.onnx.node_shapes import Misfit, infer, known_constant
from dse.onnx.places import COMPUTE, HEAD, MOVED_AT_THE_END, MOVES, TAIL
from dse.onnx.remedies import UNKNOWN_REMEDY, unknown
from dse.onnx.source import (
    MALFORMED,
    Known,
    Source,
    attribute,
    first_line,
    node_inputs,
    node_name,
    operator,
)
from dse.onnx.values import (
    AfterValue,
    Const,
    HostValue,
    OverlayValue,
    UnknownValue,
    Unsupported,
    Value,
    extents,
    quantisation,
    stand_in,
)

_ON_THE_OVERLAY = (np.int8, np.uint8, np.float16, np.float32, np.float64)
"""Types of tensors that can enter the overlay: integers as they are, reals quantised."""

Handler = Callable[["Lowering", onnx.NodeProto], None]


class Lowering:
    """The state of one walk over a model.

    Afterwards ``draft`` holds the layers, ``problems`` the nodes that could not be lowered,
    ``entries`` the ONNX tensor behind each draft input, ``exits`` the overlay's tensors that the
    host reads, by ONNX name, and ``places`` where every node of the model went, by name.
    """

    def __init__(
        self, source: Source, handlers: dict[str, Handler], weights: dict[str, Handler]
    ) -> None:
        self.source = source
        self.draft = Draft()
        self.problems: list[Problem] = []
        self.entries: dict[DraftTensor, str] = {}
        self.exits: dict[str, OverlayValue] = {}
        self.places: dict[Place, list[str]] = {place: [] for place in get_args(Place)}
        self.values: dict[str, Value] = {}
        self.known: dict[str, Known] = {}
        self.stand_ins: set[DraftTensor] = set()
        self._handlers, self._weights = handlers, weights
        self._gathered: dict[str, OverlayValue] = {}
        self._rounded: dict[tuple[DraftTensor, Quantisation], DraftTensor] = {}
        opsets = source.model.opset_import
        self._together = Together(source.batch, source.inputs, opsets, source.opset)
        self._names: set[str] = set()
        self._layers: set[str] = set()
        graph = source.model.graph
        self._makers = {name: node for node in graph.node for name in node.output}
        self._feeds_compute = _before_compute(graph.node)
        self._functions = Functions(source, self._feeds_compute)
        self._read = {name for node in graph.node for name in node_inputs(node)}
        self._read.update(source.outputs)
        for port in source.inputs:
            self.values[port.name] = HostValue(port.name, port.name)
            self.known[port.name] = Known(port.shape, port.dtype)
        for name, array in source.constants.items():
            self.values[name] = Const(array)
            self.known[name] = Known(array.shape, array.dtype, array)
        for index, node in enumerate(graph.node):
            self._lower(index, node)
        for name in source.outputs:
            value = self.values[name]
            if isinstance(value, OverlayValue):
                self._exit(name, value)
                if value.elements is not None:
                    self.values[name] = AfterValue()
            refusal = self._together.refusal(name, isinstance(value, Const))
            if refusal is not None and not self.problems:
                self.problems.append(Problem(name, "output", refusal, SINGLE))
        self.draft.outputs = list(dict.fromkeys(view.tensor for view in self.exits.values()))

    # What handlers call.

    def operand(self, node: onnx.NodeProto, index: int = 0) -> OverlayValue:
        """Input ``index`` as a tensor of the overlay; a value of the host enters it here."""
        value = self.seen(node, index)
        return value if value.elements is None else self.gathered(node.input[index], value)

    def gathered(self, name: str, value: OverlayValue) -> OverlayValue:
        """A view made into a tensor of its own, once however many read it."""
        if name not in self._gathered:
            made = Gatherer(self.add, name, operator(self._makers[name])).whole(value)
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

    def enter(self, value: HostValue, known: Quantisation | None = None) -> OverlayValue:
        """Make a value of the host an input of the network."""
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
        quantised = value.quantisation or known
        for tensor, entry in self.entries.items():
            root = self.values[entry]
            assert isinstance(root, HostValue)
            if root.root == value.root and tensor.quantisation == quantised:
                return OverlayValue(tensor, shape, dtype)
        tensor = DraftTensor(_unique(value.root, self._names), *extents(shape), quantised)
        tensor.integers = dtype in (np.int8, np.uint8)
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

    def add(self, layer: DraftLayer) -> DraftTensor:
        """Append a layer; it and its output get names of their own."""
        layer.name = _unique(layer.name, self._layers)
        layer.output.name = _unique(layer.output.name, self._names)
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
        tensor = DraftTensor(_unique(name, self._names), *stand_in(shape))
        self.draft.inputs.append(tensor)
        self.stand_ins.add(tensor)
        return OverlayValue(tensor, shape, dtype)

    # The walk.

    def _lower(self, index: int, node: onnx.NodeProto) -> None:
        made: dict[str, Known] = {}
        try:
            if not self._is_constant(node):
                made = self._made(node)
            self._expect(node, made)
            operands = self._operands(node)
            self._together.require_first(node)
            place = self._place(index, node)
            if place == "constant":
                self._together.fold(node, self.values)
            else:
                single, made = made, {}  # if it is refused, the model's own declarations are better
                self._together.judge(node, operands, single)
        except (Unsupported, *MALFORMED) as error:
            self._expect(node, made)
            self._report(node, error)
            self._forget(node)
            place = "unsupported"
        self.places[place].append(node_name(node))
        for name in node.output:
            value = self.values.get(name)
            if isinstance(value, Const):
                self.known[name] = known_constant(value)
            elif isinstance(value, OverlayValue):
                if self.known[name].shape is None:
                    self.known[name] = Known(value.shape, value.dtype)
                self._together.follow(name, self.known[name])

    def _made(self, node: onnx.NodeProto) -> dict[str, Known]:
        """What onnx knows of the node's outputs, which must be legal for one image alone."""
        batch, batched = self.source.batch, self.source.batched
        try:
            made = infer(node, self._operands(node), self.source.model.opset_import)
        except Misfit as error:
            if not batched:
                raise
            raise Unsupported(f"it is made for {batch} images: {error}", SINGLE) from None
        return made

    def _operands(self, node: onnx.NodeProto) -> dict[str, Known]:
        return {name: self.known[name] for name in node_inputs(node)}

    def _is_constant(self, node: onnx.NodeProto) -> bool:
        constant = all(isinstance(self.values[name], Const) for name in node_inputs(node))
        return constant and folding.can_fold(node)

    def _expect(self, node: onnx.NodeProto, made: dict[str, Known]) -> None:
        """Note what the node's outputs will be, or what the model declares where that is open."""
        for name in node.output:
            found = made.get(name)
            if found is None or found.shape is None:
                found = self.source.declared.get(name, found)
            self.known[name] = found or Known(None, None)

    def _place(self, index: int, node: onnx.NodeProto) -> Place:
        """Decide who runs the node: nobody (a constant), the host, or the overlay."""
        values = [self.values[name] for name in node_inputs(node)]
        op = operator(node)
        variables = [value for value in values if not isinstance(value, Const)]
        if self._is_constant(node):
            self.values.update(folding.fold(node, op, self.values, self.source.model.opset_import))
            return "constant"
        step = self._functions.steps.get(index)
        if step and isinstance(self.values[step.argument], HostValue | OverlayValue):
            lower_table.lower(self, node, step, self._functions.scalars)
            return "overlay"
        if op == "Shape" and self.known[node.input[0]].shape is not None:
            return self._handle(index, node, op)
        if any(isinstance(value, AfterValue) for value in variables):
            return self._leave_to_tail(node)
        if op in HEAD and len(variables) == 1 and isinstance(variables[0], HostValue):
            return self._leave_to_head(node, op, variables[0])
        known = op in self._handlers or step is not None
        if known and any(isinstance(v, UnknownValue) for v in variables):
            if op in self._weights:
                self._weights[op](self, node)
            self._forget(node)
            return "unjudged"
        return self._handle(index, node, op)

    def _handle(self, index: int, node: onnx.NodeProto, op: str) -> Place:
        if op in MOVED_AT_THE_END and index not in self._feeds_compute:
            return self._leave_to_tail(node)
        try:
            if op not in self._handlers:
                raise unknown(op)
            for name in node.output[1:]:
                if name in self._read and op != "Split":
                    raise Unsupported(f"its further output {name!r} is used", UNKNOWN_REMEDY)
            self._handlers[op](self, node)
            value = self.values[node.output[0]]
            is_view = isinstance(value, OverlayValue) and value.elements is not None
            if is_view and index not in self._feeds_compute:  # the host can do that
                return self._leave_to_tail(node)
        except Unsupported:
            if op in TAIL and index not in self._feeds_compute:
                return self._leave_to_tail(node)
            raise
        return "overlay" if isinstance(self.values[node.output[0]], OverlayValue) else "constant"

    def _leave_to_head(self, node: onnx.NodeProto, op: str, value: HostValue) -> Place:
        self._together.require_apart(node, self._operands(node))
        name = node.output[0]
        if op in ("QuantizeLinear", "DequantizeLinear"):
            self.values[name] = self._quantised_on_host(node, value)
        elif op in MOVES:
            self.values[name] = HostValue(name, name, value.quantisation, value.refusal)
        else:
            self.values[name] = HostValue(name, name)
        self.values.update({name: UnknownValue() for name in node.output[1:] if name})
        return "head"

    def _quantised_on_host(self, node: onnx.NodeProto, value: HostValue) -> HostValue:
        """A second, different quantisation makes another tensor of it."""
        name = node.output[0]
        try:
            known = self.quantisation(node)
        except Unsupported as refusal:
            return HostValue(name, name, refusal=refusal)
        same = value.refusal is None and value.quantisation in (None, known)
        return HostValue(name, value.root if same else name, known)

    def _leave_to_tail(self, node: onnx.NodeProto) -> Place:
        self._together.require_apart(node, self._operands(node))
        if not trial.knows(node):
            raise Unsupported(
                "onnxruntime, the host's, does not have this operator", UNKNOWN_REMEDY
            )
        for name in node_inputs(node):
            value = self.values[name]
            if isinstance(value, OverlayValue):
                self._exit(name, value)
        self.values.update({name: AfterValue() for name in node.output if name})
        return "tail"

    def _exit(self, name: str, view: OverlayValue) -> None:
        """The host reads a tensor; of a view it reads what the view is made of, and makes it."""
        if view.elements is not None:
            for source in node_inputs(self._makers[name]):
                value = self.values[source]
                if isinstance(value, OverlayValue):
                    self._exit(source, value)
            return
        self.exits[name] = view
        if name in self.source.outputs and view.tensor.name not in self.source.outputs:
            self._names.discard(view.tensor.name)
            view.tensor.name = _unique(name, self._names)

    def _report(self, node: onnx.NodeProto, error: Exception) -> None:
        if not isinstance(error, Unsupported):
            reason = f"its inputs or attributes are inconsistent: {first_line(error)}"
            error = Unsupported(reason, "export the model again")
        problem = Problem(node_name(node), operator(node), error.reason, error.remedy)
        self.problems.append(problem)

    def _forget(self, node: onnx.NodeProto) -> None:
        """Give the outputs of a node that was not lowered what is known of them: their shapes."""
        for name in filter(None, node.output):
            shape, dtype = self.known[name].shape, self.known[name].dtype
            if shape is None:
                self.values[name] = UnknownValue()
            else:
                self.values[name] = self.stand_in(name, shape, dtype or np.dtype(np.float32))


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
