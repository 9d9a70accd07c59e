"""The network IR: a frozen, quantised, shape-complete graph of what the overlay executes.

Every tensor is one image in HWC order, int8, with a scale and a zero point of its own:
``real = scale * (q - zero_point)``.  Five operators are enough: importers lower everything else to
them (fully connected layers become convolutions that cover their input, batch normalisation is
folded, ReLU and Clip become the output range of the operator before them).  Graph passes
(``dse.passes``) add Slice and SpaceToDepth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from dse.network.tensor import INT8_MAX, INT8_MIN, NetworkError, Tensor
from dse.network.tensor import Quantisation as Quantisation


@dataclass(frozen=True)
class Window:
    """A sliding window: (y, x) kernel, stride, dilation; padding (top, left, bottom, right).

    Padding may exceed what the windows touch (ONNX ``ceil_mode``): the output size rules.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise NetworkError(f"window out of range: {self}")

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Output (height, width) of the window over an input, rounding down (ONNX Conv)."""
        top, left, bottom, right = self.padding
        sizes = ((height, top + bottom), (width, left + right))
        y, x = (
            (n + pad - d * (k - 1) - 1) // s + 1
            for (n, pad), k, s, d in zip(
                sizes, self.kernel, self.stride, self.dilation, strict=True
            )
        )
        return y, x


@dataclass(frozen=True, eq=False)
class Conv:
    """Convolution or fully connected layer.

    ``weight``: int8 in [-127, 127], [Cout, Ky, Kx, Cin / groups]; ``weight_scale``: float64 [Cout];
    ``bias``: int32 [Cout] in units of ``input scale * weight scale`` (the input's zero point is not
    folded in).  ``low``/``high``: output range in the output's int8 units (ReLU, Clip), of all
    channels or of each.
    """

    name: str
    input: str
    output: str
    weight: npt.NDArray[np.int8]
    weight_scale: npt.NDArray[np.float64]
    bias: npt.NDArray[np.int32]
    window: Window
    groups: int = 1
    low: int | npt.NDArray[np.int8] = INT8_MIN
    high: int | npt.NDArray[np.int8] = INT8_MAX

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Pool:
    """Maximum or average over a window; also the requantisation of a tensor (1 x 1 maximum).

    Average: the sum over the taps inside the image of ``q - zero_point``, divided by the number of
    counted taps: those inside the image, or with ``count_include_pad`` inside image and padding.
    """

    name: str
    input: str
    output: str
    kind: Literal["max", "average"]
    window: Window
    count_include_pad: bool = False
    low: int = INT8_MIN
    high: int = INT8_MAX

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Add:
    """Elementwise sum of two tensors of the same shape."""

    name: str
    a: str
    b: str
    output: str
    low: int = INT8_MIN
    high: int = INT8_MAX

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.a, self.b


@dataclass(frozen=True)
class Concat:
    """Concatenation along the channels; all quantisations are equal (importers see to it)."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Reshape:
    """A tensor seen with other extents, bytes unchanged in HWC order (Flatten of a 1 x 1 map)."""

    name: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Slice:
    """Channels from ``channel`` on of a tensor, as many as the output has."""

    name: str
    input: str
    output: str
    channel: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class SpaceToDepth:
    """A network's input, laid out by the host in blocks (y, x) of pixels (``dse.network.blocks``).

    Pixels beyond the image are the zero point.
    """

    name: str
    input: str
    output: str
    block: tuple[int, int]

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


Operator = Conv | Pool | Add | Concat | Reshape | Slice | SpaceToDepth


@dataclass(frozen=True, eq=False)
class Network:
    """Operators in execution order over named tensors; ``verify`` holds after construction."""

    name: str
    tensors: Mapping[str, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source_sha256: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        verify(self)

    @cached_property
    def producers(self) -> dict[str, Operator]:
        """The operator that writes each tensor; network inputs have none."""
        return {op.output: op for op in self.operators}

    @cached_property
    def consumers(self) -> dict[str, tuple[Operator, ...]]:
        """The operators that read each tensor, in execution order."""
        found: dict[str, list[Operator]] = {name: [] for name in self.tensors}
        for op in self.operators:
            for name in dict.fromkeys(op.inputs):
                found[name].append(op)
        return {name: tuple(ops) for name, ops in found.items()}

    def convolutions(self) -> Iterator[Conv]:
        """All convolutions in execution order."""
        return (op for op in self.operators if isinstance(op, Conv))

    def macs(self) -> int:
        """Multiply-accumulates of one image, convolutions and fully connected layers."""
        return sum(self.conv_macs(conv) for conv in self.convolutions())

    def conv_macs(self, conv: Conv) -> int:
        """Multiply-accumulates of one of its convolutions."""
        out = self.tensors[conv.output]
        return out.height * out.width * conv.weight.size


def verify(network: Network) -> None:
    """Check that every operator's operands exist, precede it and fit; raise NetworkError if not."""
    tensors = network.tensors
    known = set(network.inputs)
    for name in (*network.inputs, *network.outputs):
        if name not in tensors:
            raise NetworkError(f"network {network.name!r}: no tensor named {name!r}")
    for op in network.operators:
        for name in op.inputs:
            if name not in known:
                raise NetworkError(f"operator {op.name!r} reads {name!r} before it is written")
        if op.output in known or op.output not in tensors:
            raise NetworkError(
                f"operator {op.name!r}: output {op.output!r} written twice or undeclared"
            )
        if isinstance(op, SpaceToDepth) and op.input not in network.inputs:
            raise NetworkError(f"operator {op.name!r}: {op.input!r} does not come from the host")
        known.add(op.output)
        _verify_operator(op, tensors)
    missing = [name for name in network.outputs if name not in known]
    if missing:
        raise NetworkError(f"network {network.name!r}: outputs {missing} are never written")


def _verify_operator(op: Operator, tensors: Mapping[str, Tensor]) -> None:
    ins = [tensors[name] for name in op.inputs]
    out = tensors[op.output]

    def require(condition: bool, what: str) -> None:
        if not condition:
            shapes = ", ".join(str(t.shape) for t in ins)
            raise NetworkError(
                f"operator {op.name!r}: {what} (inputs {shapes}, output {out.shape})"
            )

    split = isinstance(op, Slice | Reshape) or not any(tensor.parts for tensor in ins)
    require(split, "an operand with several quantisations can only be sliced")
    match op:
        case Conv():
            cout, ky, kx, cin = op.weight.shape
            require((ky, kx) == op.window.kernel, "kernel and weights disagree")
            require(cin * op.groups == ins[0].channels, "input channels and weights disagree")
            require(cout == out.channels and cout % op.groups == 0, "output channels disagree")
            require(op.window.output(*ins[0].shape[:2]) == out.shape[:2], "output size disagrees")
            require(op.weight.dtype == np.int8 and op.bias.dtype == np.int32, "wrong types")
            require(op.weight_scale.shape == op.bias.shape == (cout,), "scales or bias disagree")
            require(int(op.weight.min(initial=0)) >= -127, "weights must lie in [-127, 127]")
            low, high = np.broadcast_to(op.low, cout), np.broadcast_to(op.high, cout)
            require(bool(np.all(low <= high)), "output range is empty")
            require(low.min() >= INT8_MIN and high.max() <= INT8_MAX, "output range out of int8")
        case Pool():
            require(ins[0].channels == out.channels, "channels disagree")
            require(INT8_MIN <= op.low <= op.high <= INT8_MAX, "output range out of int8")
        case Add():
            require(ins[0].shape == ins[1].shape == out.shape, "shapes disagree")
            require(INT8_MIN <= op.low <= op.high <= INT8_MAX, "output range out of int8")
        case Concat():
            require(all(t.shape[:2] == out.shape[:2] for t in ins), "extents disagree")
            require(sum(t.channels for t in ins) == out.channels, "channels disagree")
            require(all(t.quantisation == out.quantisation for t in ins), "quantisations disagree")
        case Reshape():
            require(ins[0].size == out.size, "sizes disagree")
            values = np.arange(np.lcm(ins[0].channels, out.channels))
            require(
                np.array_equal(ins[0].meaning(values), out.meaning(values)),
                "quantisations disagree",
            )
        case Slice():
            require(ins[0].shape[:2] == out.shape[:2], "extents disagree")
            require(0 <= op.channel <= ins[0].channels - out.channels, "no such channels")
            values = np.arange(out.channels)
            meaning = ins[0].meaning(op.channel + values)
            require(np.array_equal(meaning, out.meaning(values)), "quantisations disagree")
        case SpaceToDepth():
            by, bx = op.block
            rows, columns = -(-ins[0].height // by), -(-ins[0].width // bx)
            blocks = rows, columns, by * bx * ins[0].channels
            require(min(op.block) >= 1 and blocks == out.shape, "blocks disagree")
            require(ins[0].quantisation == out.quantisation, "quantisations disagree")
