"""Which nodes of a model together are one function of one value.

Elementwise nodes whose only other operands are single constants make a tree: a value hangs below
the last one that all ways to it pass (x * sigmoid(x) below x).  What others read of a tree is a
function of the nearest value above it that they read too; it becomes a table, however many nodes
it takes, unless simpler means (ranges, gains, roundings) are enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import onnx

from dse.onnx import folding
from dse.onnx.places import COMPUTE, TAIL
from dse.onnx.source import MALFORMED, Source, node_inputs, operator
from dse.onnx.values import Const, Unsupported, Value


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CURVED = _names(
    "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp FastGelu Floor Gelu"
    " HardSigmoid HardSwish LeakyRelu Log Max Min Mish Neg PRelu Pow QLinearLeakyRelu QLinearMul"
    " QLinearSigmoid QuickGelu Reciprocal Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign"
    " Sqrt Swish Tan Tanh ThresholdedRelu"
)
"""Operators of one value that only a table computes."""

_ROUNDINGS = _names("DequantizeLinear QuantizeLinear")
_RANGES = _names("Clip Relu")
_SIMPLE = _ROUNDINGS | _RANGES | _names("Add Div Identity Mul QLinearAdd Sub")
"""Operators that the layer before takes along, or that change nothing."""


@dataclass(frozen=True)
class FunctionStep:
    """A node's place in a function: of the value ``argument``, by ``nodes``, its own among them."""

    argument: str
    nodes: tuple[onnx.NodeProto, ...]

    @property
    def result(self) -> str:
        return self.nodes[-1].output[0]


class Functions:
    """The functions of a model that only tables compute.

    Parameters
    ----------
    source : the model.
    feeds_compute : numbers of the nodes that layers of the overlay follow.

    ``steps``: by the number of each node; ``scalars``: the constants that they read, by name.
    """

    def __init__(self, source: Source, feeds_compute: AbstractSet[int]) -> None:
        self.scalars = _scalars(source)
        forest = _Forest(source.model.graph.node, self.scalars)
        trims = _Trims(forest, feeds_compute)
        self.steps: dict[int, FunctionStep] = {}
        results: dict[int, FunctionStep] = {}
        beside: set[int] = set()
        for value in forest.read(source.outputs):
            step = trims.step(value)
            beside |= trims.beside
            if step is not None:
                inner = {forest.makers[node.output[0]] for node in step.nodes}
                self.steps.update(dict.fromkeys(inner, step))
                results[forest.makers[step.result]] = step
        for index in beside:
            self.steps.pop(index, None)
        self.steps |= results


def _scalars(source: Source) -> dict[str, Const]:
    """Single constants by name: given, or made of such."""
    known: dict[str, Value] = {
        name: Const(array) for name, array in source.constants.items() if array.size == 1
    }
    for node in source.model.graph.node:
        if not folding.can_fold(node) or any(name not in known for name in node_inputs(node)):
            continue
        try:
            made = folding.fold(node, operator(node), known, source.model.opset_import)
        except (Unsupported, *MALFORMED):
            continue  # the walk says it
        for name, value in made.items():
            if isinstance(value, Const) and value.array.size == 1:
                known[name] = value
    return {name: value for name, value in known.items() if isinstance(value, Const)}


class _Forest:
    """What each elementwise value hangs below; ``makers``: the number of the node that makes it."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], scalars: Collection[str]) -> None:
        self.nodes, self._scalars = nodes, scalars
        self.makers: dict[str, int] = {}
        self.above: dict[str, str] = {}
        self.readers: dict[str, int] = {}
        self._depth: dict[str, int] = {}
        for index, node in enumerate(nodes):
            for name in node_inputs(node):
                self.readers[name] = self.readers.get(name, 0) + 1
            self.makers.update({name: index for name in node.output if name})
            above = self._meeting(node)
            if above is not None:
                self.above[node.output[0]] = above
                self._depth[node.output[0]] = self._depth.get(above, 0) + 1

    def variables(self, node: onnx.NodeProto) -> list[str]:
        """What a node reads that is no single constant."""
        return [name for name in dict.fromkeys(node_inputs(node)) if name not in self._scalars]

    def maker(self, value: str) -> onnx.NodeProto | None:
        """The node that makes a value."""
        index = self.makers.get(value)
        return None if index is None else self.nodes[index]

    def read(self, outputs: Sequence[str]) -> list[str]:
        """The elementwise values that not only their own tree reads, in order."""
        self._read = set(outputs)
        for node in self.nodes:
            if not any(name in self.above for name in node.output):
                self._read.update(self.variables(node))
        return [name for name in self.above if name in self._read]

    def chain(self, value: str) -> list[str]:
        """From the nearest value above that is read, too, down to this one."""
        found = [value]
        while found[-1] in self.above:
            found.append(self.above[found[-1]])
            if found[-1] in self._read:
                break
        return found[::-1]

    def between(self, argument: str, result: str) -> list[int]:
        """The numbers of the nodes that make one of the other, ascending."""
        found: set[int] = set()
        left = [result]
        while left:
            value = left.pop()
            if value != argument and self.makers[value] not in found:
                found.add(self.makers[value])
                left += self.variables(self.nodes[self.makers[value]])
        return sorted(found)

    def is_simple(self, index: int) -> bool:
        """Whether a node needs no table."""
        node = self.nodes[index]
        if operator(node) not in _SIMPLE or len(self.variables(node)) > 1:
            return False
        constants = len(node.input) > 1 and any(n in self._scalars for n in node.input)
        match operator(node):
            case "Mul" | "Sub":
                return constants
            case "Div":
                return constants and node.input[0] not in self._scalars
        return True

    def _meeting(self, node: onnx.NodeProto) -> str | None:
        """The last value that all ways to an elementwise node pass."""
        outputs = [name for name in node.output if name]
        if operator(node) not in CURVED | _SIMPLE or len(outputs) > 1:
            return None
        found: str | None = None
        for name in self.variables(node):
            found = name if found is None else self._common(found, name)
            if found is None:
                return None
        return found

    def _common(self, one: str | None, other: str | None) -> str | None:
        while one != other and one is not None and other is not None:
            if self._depth.get(one, 0) >= self._depth.get(other, 0):
                one = self.above.get(one)
            else:
                other = self.above.get(other)
        return one if one == other else None


class _Trims:
    """Cuts off a chain's ends what the layers there take along anyway.

    ``beside``: numbers of the nodes on the last value's way that are no part of its function.
    """

    def __init__(self, forest: _Forest, feeds_compute: AbstractSet[int]) -> None:
        self._forest, self._feeds_compute = forest, feeds_compute
        self._computes = any(operator(node) in COMPUTE for node in forest.nodes)
        self.beside: set[int] = set()

    def step(self, value: str) -> FunctionStep | None:
        """The function that makes a value of the one above it; None if it needs no table."""
        forest = self._forest
        chain = forest.chain(value)
        whole = forest.between(chain[0], value)
        rounded = self._without_roundings(chain)
        del chain[: self._start(chain)]
        own = forest.between(chain[0], chain[-1])
        if all(map(forest.is_simple, own)) or self._is_tail(own, rounded):
            own = []
        self.beside = set(whole) - set(own)
        if not own:
            return None
        return FunctionStep(chain[0], tuple(forest.nodes[index] for index in own))

    def _op(self, value: str) -> str:
        node = self._forest.maker(value)
        return "" if node is None else operator(node)

    def _without_roundings(self, chain: list[str]) -> bool:
        """Drop roundings at the end, which the table writes; whether there is one.

        Identities do not hide them, but stay where no rounding is before them.
        """
        rounded, kept = False, len(chain)
        for place in range(len(chain) - 1, 0, -1):
            op = self._op(chain[place])
            if op not in _ROUNDINGS | {"Identity"}:
                break
            if op in _ROUNDINGS:
                rounded |= op == "QuantizeLinear"
                kept = place
        del chain[kept:]
        return rounded

    def _start(self, chain: Sequence[str]) -> int:
        """How many values at the start are others' results: a first rounding, or ranges."""
        start = self._first_rounding(chain)
        if start == 0:
            while start + 1 < len(chain) and self._op(chain[start + 1]) in _RANGES:
                if self._forest.readers[chain[start]] > 1:
                    break
                start += 1
        if start + 1 < len(chain) and self._op(chain[start + 1]) == "DequantizeLinear":
            start += 1
        return start

    def _first_rounding(self, chain: Sequence[str]) -> int:
        """The place of the rounding of what is not rounded yet; 0 if it is, or never will be."""
        if self._op(chain[0]).startswith(("DequantizeLinear", "QuantizeLinear", "QLinear")):
            return 0
        for place, value in enumerate(chain[1:], start=1):
            index = self._forest.makers[value]
            alone = self._forest.variables(self._forest.nodes[index]) == [chain[place - 1]]
            if not (alone and self._forest.is_simple(index)):
                return 0
            if self._op(value) == "QuantizeLinear":
                return place
        return 0

    def _is_tail(self, own: Sequence[int], rounded: bool) -> bool:
        """Whether the host computes it in float, after all layers."""
        forest = self._forest
        curved = [index for index in own if not forest.is_simple(index)]
        after = self._computes and self._feeds_compute.isdisjoint(curved)
        known = all(operator(forest.nodes[index]) in TAIL for index in curved)
        return after and known and not rounded
