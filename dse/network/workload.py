"""A workload: what design-space exploration needs to know of a CNN, its shapes and its edges.

Weights, scales and activation functions are absent: two networks of equal shapes are one workload.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, Literal

from hw.isa.errors import PolymapError

Shape = tuple[int, int, int]
"""(height, width, channels) of one image's tensor."""


class WorkloadError(PolymapError, ValueError):
    """A workload is inconsistent, or a model holds what no workload can say."""


@dataclass(frozen=True)
class ConvShape:
    """All that the cost of a convolution depends on.

    ``kernel``, ``stride`` and ``dilation`` are (y, x); ``padding`` is (top, left, bottom, right).
    Names follow the literature: O1 x O2 output pixels, K1 x K2 taps, Cin and Cout channels.
    ``contiguous``: the input's rows are contiguous in memory; not so in a range of other channels.
    ``unfolded``: why the result must be written pixel by pixel; empty: it need not.
    ``own_products``: multiplications of an output value that no pass has added; 0: all.
    """

    height: int
    width: int
    cin: int
    cout: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    contiguous: bool = True
    unfolded: str = ""
    own_products: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        sizes = (self.height, self.width, self.cin, self.cout, self.groups)
        if min(*sizes, *self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise WorkloadError(f"convolution out of range: {self}")
        if self.cin % self.groups or self.cout % self.groups:
            raise WorkloadError(f"channels must be multiples of the groups: {self}")
        if min(self.o1, self.o2) < 1:
            raise WorkloadError(f"the kernel exceeds the padded input: {self}")

    @property
    def o1(self) -> int:
        """Output height."""
        top, _, bottom, _ = self.padding
        return self._extent(self.height + top + bottom, 0)

    @property
    def o2(self) -> int:
        """Output width."""
        _, left, _, right = self.padding
        return self._extent(self.width + left + right, 1)

    def _extent(self, padded: int, axis: int) -> int:
        span = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (padded - span) // self.stride[axis] + 1

    @property
    def input(self) -> Shape:
        return self.height, self.width, self.cin

    @property
    def output(self) -> Shape:
        return self.o1, self.o2, self.cout

    @property
    def taps(self) -> int:
        """K1 K2."""
        return prod(self.kernel)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the direct convolution."""
        return self.o1 * self.o2 * self.products * self.cout

    @property
    def products(self) -> int:
        """Multiplications of an output value."""
        return self.own_products or self.taps * self.cin // self.groups

    @property
    def is_dense(self) -> bool:
        """True if one output pixel sees the whole input: a fully connected layer."""
        return (
            self.kernel == (self.height, self.width)
            and not any(self.padding)
            and self.dilation == (1, 1)
        )


@dataclass(frozen=True)
class Source:
    """The network's input tensor."""

    name: str
    shape: Shape

    @property
    def inputs(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Convolution:
    """A convolution or fully connected layer: a shape with a place in the graph."""

    name: str
    input: str
    conv: ConvShape

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def shape(self) -> Shape:
        return self.conv.output


@dataclass(frozen=True)
class Pool:
    """Pooling; ``shape`` is the output's, since rounding up is the model's own choice."""

    name: str
    input: str
    shape: Shape
    kind: Literal["max", "average"]
    kernel: tuple[int, int]
    stride: tuple[int, int]

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Reshape:
    """The same bytes under other extents."""

    name: str
    input: str
    shape: Shape

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Slice:
    """Channels from ``channel`` on of a tensor, where they are."""

    name: str
    input: str
    shape: Shape
    channel: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Join:
    """Concatenation along the channels, or elementwise sum."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    kind: Literal["concat", "add"]


Node = Source | Convolution | Pool | Reshape | Slice | Join


@dataclass(frozen=True)
class Workload:
    """Nodes in execution order; every node's name also names the tensor that it writes.

    ``held``: results that leave the network although nodes read them; those unread leave anyway.
    ``ignored``: what the model also asks for and no workload can say, as texts.
    """

    name: str
    nodes: tuple[Node, ...]
    held: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in shapes]
            if missing:
                raise WorkloadError(f"{self.name}: {node.name!r} reads {missing} before written")
            if node.name in shapes:
                raise WorkloadError(f"{self.name}: {node.name!r} is written twice")
            _check_shapes(node, [shapes[name] for name in node.inputs])
            shapes[node.name] = node.shape
        if unknown := sorted(self.held - shapes.keys()):
            raise WorkloadError(f"{self.name}: nothing writes the outputs {unknown}")

    @cached_property
    def node(self) -> dict[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """The nodes that read each tensor, in execution order."""
        found: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that leave the network, in execution order."""
        unread = {name for name, readers in self.consumers.items() if not readers}
        return tuple(node.name for node in self.nodes if node.name in unread | self.held)

    @cached_property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Convolutions and fully connected layers, in execution order."""
        return tuple(node for node in self.nodes if isinstance(node, Convolution))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.conv.macs for layer in self.convolutions)

    def without_dense(self) -> Workload:
        """The convolutional part: fully connected layers and what reads only them are dropped."""
        kept: list[Node] = []
        dropped: set[str] = set()
        for node in self.nodes:
            dense = isinstance(node, Convolution) and node.conv.is_dense
            if dense or dropped.intersection(node.inputs):
                dropped.add(node.name)
            else:
                kept.append(node)
        return replace(self, nodes=tuple(kept), held=self.held - dropped)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        nodes = [{"node": type(node).__name__.lower(), **asdict(node)} for node in self.nodes]
        return {"name": self.name, "macs": self.macs, "nodes": nodes}


def _check_shapes(node: Node, inputs: list[Shape]) -> None:
    def require(condition: bool, what: str) -> None:
        if not condition:
            raise WorkloadError(f"{node.name!r}: {what} (inputs {inputs}, output {node.shape})")

    require(min(node.shape) >= 1, "shape must be positive")
    match node:
        case Convolution():
            require(inputs[0] == node.conv.input, f"expects an input of {node.conv.input}")
        case Pool():
            require(inputs[0][2] == node.shape[2], "pooling keeps the channels")
        case Reshape():
            require(prod(inputs[0]) == prod(node.shape), "reshaping keeps the size")
        case Slice(channel=channel):
            require(inputs[0][:2] == node.shape[:2], "slicing keeps the extents")
            inside = 0 <= channel <= inputs[0][2] - node.shape[2]
            require(inside, f"no such channels from {channel} on")
        case Join(kind="add"):
            require(all(shape == node.shape for shape in inputs), "operands differ in shape")
        case Join():
            require(all(shape[:2] == node.shape[:2] for shape in inputs), "extents differ")
            require(sum(shape[2] for shape in inputs) == node.shape[2], "channels do not add up")
