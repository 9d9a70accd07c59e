"""From ONNX nodes to a draft: one walk that lowers what it can, and leaves the rest to the host."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx

from dse.onnx import folding, lower_normalise, lower_pad, lower_table, padding
from dse.onnx.arrange import Arranger
from dse.onnx.batch import SINGLE, Together
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.elementwise import Functions, FunctionStep
from dse.onnx.findings import Problem
from dse.onnx.hosted import Hosted, Use, Went, require_host
from dse.onnx.node_shapes import Misfit, infer, known_constant
from dse.onnx.places import COMPUTE, HEAD, MOVED_AT_THE_END, MOVES, before_compute
from dse.onnx.remedies import UNKNOWN_REMEDY, unknown
from dse.onnx.source import (
    MALFORMED,
    Known,
    Source,
    first_line,
    node_inputs,
    node_name,
    operator,
)
from dse.onnx.values import (
    Const,
    HostValue,
    Illegal,
    OverlayValue,
    UnknownValue,
    Unmovable,
    Unsupported,
    Value,
)
from dse.onnx.written_response import WrittenResponse, written_responses

Handler = Callable[["Lowering", onnx.NodeProto], None]


class Lowering(Drafting):
    """One walk over a model.

    ``left``: nodes for the host whatever their handlers say, by index, and why.

    Afterwards ``draft`` holds the layers, ``problems`` the nodes that no one can execute,
    ``exits`` the overlay's tensors that the host reads, by ONNX name, ``hosted`` the nodes that
    the host runs, ``made`` the node of each layer and of its output, ``uses`` what each node on
    the overlay uses, by index, ``went`` what became of each node, and ``movers`` nodes that the
    host had better run, by index: they move values as the overlay cannot, for a layer of the
    overlay.
    """

    def __init__(
        self,
        source: Source,
        handlers: dict[str, Handler],
        weights: dict[str, Handler],
        left: Mapping[int, Unsupported | None],
    ) -> None:
        super().__init__(source)
        self.problems: list[Problem] = []
        self.exits: dict[str, OverlayValue] = {}
        self.hosted: list[Hosted] = []
        self.made: dict[DraftLayer | DraftTensor, int] = {}
        self.uses: dict[int, Use] = {}
        self.went: list[Went] = []
        self.movers: dict[int, Unsupported] = {}
        self._handlers, self._weights, self._left = handlers, weights, left
        opsets = source.model.opset_import
        self._together = Together(source.batch, source.inputs, opsets, source.opset)
        graph = source.model.graph
        self._feeds_compute = before_compute(graph.node)
        self._functions = Functions(source, self._feeds_compute)
        responses = written_responses(source, self._functions.scalars)
        self._responses = {index: one for one in responses for index in one.inner}
        self._judged: dict[WrittenResponse, bool] = {}
        self._read = {name for node in graph.node for name in node_inputs(node)}
        self._read.update(source.outputs)
        for index, node in enumerate(graph.node):
            self._lower(index, node)
        for name in source.outputs:
            value = self.values[name]
            if isinstance(value, OverlayValue):
                self._exit(name, value)
                if name not in self.exits:
                    self._make_on_host(name, value)
            refusal = self._together.refusal(name, isinstance(value, Const))
            if refusal is not None and not self.problems:
                self.problems.append(Problem(name, "output", refusal, SINGLE))
        self.draft.outputs = list(dict.fromkeys(view.tensor for view in self.exits.values()))
        self._require_maxima()

    def _require_maxima(self) -> None:
        """What is put around an image below all of its values must be for maxima alone."""
        padding.into_maxima(self.draft)
        read = {tensor for layer in self.draft.layers for tensor in layer.inputs}
        read.update(self.draft.outputs)
        for layer in self.draft.layers:
            if layer.lowest and layer.output in read:
                reason = "it adds what is below all values around the image"
                remedy = "a MaxPool behind it, whose windows all reach the image, takes it"
                self.problems.append(Problem(layer.name, layer.origin, reason, remedy))

    def _lower(self, index: int, node: onnx.NodeProto) -> None:
        made: dict[str, Known] = {}
        try:
            self._together.require_first(node)
            if not self._is_constant(node):
                made = self._made(node)
            self._expect(node, made)
            operands = self._operands(node)
            went = self._decide(index, node)
            if went == "constant":
                self._together.fold(node, self.values)
            else:
                single, made = made, {}  # if it is refused, the model's own declarations are better
                self._together.judge(node, operands, single)
        except (Unsupported, *MALFORMED) as error:
            self._expect(node, made)
            self._report(node, self._not_even_hosted(index, error))
            self._forget(node)
            went = "unsupported"
        self.went.append(went)
        for name in node.output:
            value = self.values.get(name)
            if isinstance(value, Const):
                self.known[name] = known_constant(value)
            elif isinstance(value, OverlayValue):
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

    def _decide(self, index: int, node: onnx.NodeProto) -> Went:
        """Decide who runs the node: nobody (a constant), the host, or the overlay."""
        op, variables = operator(node), self._variables(node)
        if self._is_constant(node):
            self.values.update(folding.fold(node, op, self.values, self.source.model.opset_import))
            return "constant"
        if op == "Shape" and self.known[node.input[0]].shape is not None:
            return self._handle(index, node, op)
        if index in self._left:
            return self._leave_to_host(index, node, self._left[index])
        if self._is_the_hosts(index, op, variables):
            return self._leave_to_host(index, node, None)
        known = op in self._handlers or index in self._functions.steps
        if known and any(isinstance(v, UnknownValue) for v in variables):
            if op in self._weights:
                self._weights[op](self, node)
            self._forget(node)
            return "unjudged"
        return self._lower_or_leave(index, node, op)

    def _variables(self, node: onnx.NodeProto) -> list[Value]:
        values = [self.values[name] for name in node_inputs(node)]
        return [value for value in values if not isinstance(value, Const)]

    def _is_the_hosts(self, index: int, op: str, variables: Sequence[Value]) -> bool:
        """Whether a node need not enter the overlay: its operands are the host's already."""
        found = [value.segment for value in variables if isinstance(value, HostValue)]
        if len(found) != len(variables) or not found:
            return False
        prepares = op in HEAD and len(found) == 1 and self._step(index) is None
        prepares &= op != "Pad" or not lower_pad.below_all(
            self, self.source.model.graph.node[index]
        )
        ends = op not in COMPUTE and index not in self._feeds_compute
        return prepares or (ends and max(found) > 0)

    def _lower_or_leave(self, index: int, node: onnx.NodeProto, op: str) -> Went:
        inputs, layers = len(self.draft.inputs), len(self.draft.layers)
        ends = index not in self._feeds_compute
        if ends and op in MOVED_AT_THE_END:
            return self._leave_to_host(index, node, None)
        refusal = None
        try:
            went = self._handle(index, node, op)
            value = self.values[node.output[0]]
            if not ends or self._step(index) or not isinstance(value, OverlayValue):
                return went
            computes = any(not layer.moves_values for layer in self.draft.layers[layers:])
            if not value.is_shown or (computes and value.lies):
                return went
            if computes:
                self._put_in_order(index, node.output[0], value)
                return went
        except Illegal:
            raise
        except Unsupported as error:
            refusal = error
            if isinstance(error, Unmovable) and op in COMPUTE:
                self.movers.update(dict.fromkeys(self._movers(node), error.mover))
        self.undo(inputs, layers)
        return self._leave_to_host(index, node, refusal)

    def _put_in_order(self, index: int, name: str, view: OverlayValue) -> None:
        """What a layer computes in another order than the model's is copied for the host."""
        layers = len(self.draft.layers)
        self.values[name] = made = self.gathered(name, view)
        self._note(index, self.draft.layers[layers:])
        self.uses[index] = replace(
            self.uses[index], tensors=self.uses[index].tensors | {made.tensor}
        )

    def _note(self, index: int, layers: Sequence[DraftLayer]) -> None:
        for layer in layers:
            self.made[layer] = self.made[layer.output] = index

    def _handle(self, index: int, node: onnx.NodeProto, op: str) -> Went:
        layers = len(self.draft.layers)
        step = self._step(index)
        if isinstance(step, WrittenResponse):
            lower_normalise.written(self, node, step)
        elif step is not None:
            lower_table.lower(self, node, step, self._functions.scalars)
        elif op not in self._handlers:
            raise unknown(op)
        else:
            for name in node.output[1:]:
                if name in self._read and op != "Split":
                    raise Unsupported(f"its further output {name!r} is used", UNKNOWN_REMEDY)
            self._handlers[op](self, node)
        value = self.values[node.output[0]]
        if not isinstance(value, OverlayValue):
            return "constant"
        if value.elements is None:
            self.entitle(value.tensor, node.output[0], self.draft.layers[layers:])
        names = (*node_inputs(node), *node.output)
        touched = [v.tensor for n in names if isinstance(v := self.values.get(n), OverlayValue)]
        self._note(index, self.draft.layers[layers:])
        self.uses[index] = Use.of(self.draft.layers[layers:], touched)
        return "overlay"

    def _step(self, index: int) -> FunctionStep | WrittenResponse | None:
        """The node's place in a normalisation, or a function that a table computes, if any."""
        response = self._responses.get(index)
        if response is not None and self._is_response(response):
            return response
        step = self._functions.steps.get(index)
        if step is None or not isinstance(self.values[step.argument], HostValue | OverlayValue):
            return None
        return step

    def _movers(self, node: onnx.NodeProto) -> Iterator[int]:
        """The nodes that show a layer its operands otherwise than they lie."""
        for name in node_inputs(node):
            index = self._makers.get(name, -1)
            maker = self.source.model.graph.node[index]
            if index >= 0 and operator(maker) in MOVES and index not in self._left:
                yield index

    def _is_response(self, response: WrittenResponse) -> bool:
        """Whether nodes with the ends of an LRN are one, of a tensor of the overlay."""
        x = self.values[response.argument]
        if not isinstance(x, OverlayValue) or x.is_quantised or len(x.shape) < 2:
            return False
        if response not in self._judged:
            self._judged[response] = response.is_one(x.shape, self.source.model.opset_import)
        return self._judged[response]

    def _leave_to_host(self, index: int, node: onnx.NodeProto, refusal: Unsupported | None) -> Went:
        """The host runs the node, once all overlay's tensors that it reads are there."""
        variables = self._variables(node)
        if any(isinstance(value, UnknownValue) for value in variables):
            raise refusal or unknown(operator(node))
        require_host(node, refusal)
        self._together.require_apart(node, self._operands(node))
        segment = 0
        for name in node_inputs(node):
            match self.values[name]:
                case OverlayValue() as view:
                    self._exit(name, view)
                    segment = max(segment, view.tensor.segment + 1)
                case HostValue() as value:
                    segment = max(segment, value.segment)
        for name in filter(None, node.output):
            self.values[name] = HostValue(name, name, segment)
        if len(variables) == 1 and isinstance(variables[0], HostValue):
            self._follow_quantisation(node, variables[0])
        self.hosted.append(Hosted(index, node, segment, refusal))
        return "host"

    def _follow_quantisation(self, node: onnx.NodeProto, value: HostValue) -> None:
        """A node that leaves all values as they are leaves their quantisation, too."""
        op, name = operator(node), node.output[0]
        if op in ("QuantizeLinear", "DequantizeLinear"):
            self.values[name] = self._quantised_on_host(node, value)
        elif op in MOVES:
            self.values[name] = replace(value, name=name, root=name)

    def _quantised_on_host(self, node: onnx.NodeProto, value: HostValue) -> HostValue:
        """A second, different quantisation makes another tensor of it."""
        name, segment = node.output[0], value.segment
        try:
            known = self.quantisation(node)
        except Unsupported as refusal:
            return HostValue(name, name, segment, refusal=refusal)
        same = value.refusal is None and value.quantisation in (None, known)
        return HostValue(name, value.root if same else name, segment, known)

    def _exit(self, name: str, view: OverlayValue) -> None:
        """The host reads a tensor; of a view it reads what that is made of, and makes it.

        What lies in the order of the view needs no making.
        """
        if view.lies:
            view = self._in_a_row(name, view)
        elif view.is_shown:
            for source in node_inputs(self.maker(name)):
                value = self.values[source]
                if isinstance(value, OverlayValue):
                    self._exit(source, value)
            return
        self.exits[name] = view
        if name in self.source.outputs and view.tensor.name not in self.source.outputs:
            self.rename(view.tensor, name)

    def _in_a_row(self, name: str, view: OverlayValue) -> OverlayValue:
        """All values of a tensor as they lie, as a row of pixels of one channel."""
        index = self._makers[name]
        arrange = Arranger(self.add, name, "Reshape", view.is_quantised)
        row = arrange.reshaped(view.tensor, (1, math.prod(view.tensor.shape), 1))
        self.made[row] = index
        if index in self.uses:
            use = self.uses[index]
            self.uses[index] = replace(use, tensors=use.tensors | {row})
        return OverlayValue(row, view.shape, view.dtype)

    def _make_on_host(self, name: str, view: OverlayValue) -> None:
        """An output of the model that is a view."""
        segment = view.tensor.segment + 1
        self.values[name] = HostValue(name, name, segment)
        self.hosted.append(Hosted(self._makers[name], self.maker(name), segment, None))

    def _not_even_hosted(self, index: int, error: Exception) -> Exception:
        """The error of a node that was to go to the host, beside why it was to go there."""
        if not self.hosted or self.hosted[-1].index != index:
            return error
        first = self.hosted.pop().refusal
        if first is None or not isinstance(error, Unsupported):
            return error
        return Unsupported(f"{first.reason}, and on the host {error.reason}", error.remedy)

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
