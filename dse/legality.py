"""What may be done with a convolution: the one place that search, graph passes and compiler ask.

A function named after a question returns the reason against it, or an empty text.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

from amaranth import Shape
from amaranth.lib.data import StructLayout

from dse.networks.workload import Convolution, ConvShape, Join, Workload
from hw.config import ceil_div
from hw.isa import CONV, POOL, Dataflow
from hw.winograd.matrices import Transform


class Algorithm(enum.Enum):
    """How a convolution becomes matrix products."""

    IM2COL = "im2col"
    KN2ROW = "kn2row"
    WINOGRAD = "winograd"


class Strided(Protocol):
    """What a convolution's shape and an operator's window have in common."""

    @property
    def stride(self) -> tuple[int, int]: ...
    @property
    def dilation(self) -> tuple[int, int]: ...


WINOGRAD_FLOWS = (Dataflow.WS, Dataflow.IS)


def against_algorithm(
    window: Strided, algorithm: Algorithm, dataflow: Dataflow | None = None
) -> str:
    """Why a convolution cannot be computed so; ``dataflow`` None: in none."""
    if algorithm is not Algorithm.WINOGRAD:
        return ""
    if dataflow not in (None, *WINOGRAD_FLOWS):
        return f"winograd needs the dataflow WS or IS, not {dataflow.name}"
    if window.stride != (1, 1) or window.dilation != (1, 1):
        return (
            f"winograd needs stride 1 and dilation 1, not {window.stride} and {window.dilation}: "
            "choose im2col or kn2row"
        )
    return ""


def against_walking(conv: ConvShape, algorithm: Algorithm) -> str:
    """Why the instruction set cannot say how a convolution walks its input."""
    rows, columns = conv.kernel
    whole = algorithm is Algorithm.IM2COL and conv.contiguous and conv.groups == 1
    if whole and conv.is_dense:
        return ""
    if whole and conv.dilation[1] == 1:
        columns = 1
    sizes = {"height": conv.height, "tap_rows": rows, "tap_columns": columns, "out_width": conv.o2}
    return _beyond("CONV", CONV, sizes)


def against_pooling(height: int, kernel: tuple[int, int], width: int) -> str:
    """Why the instruction set cannot say a pooling of ``height`` rows to ``width`` columns."""
    sizes = {"height": height, "tap_rows": kernel[0], "tap_columns": kernel[1], "out_width": width}
    return _beyond("POOL", POOL, sizes)


def _beyond(opcode: str, layout: StructLayout, sizes: Mapping[str, int]) -> str:
    for name, size in sizes.items():
        most = (1 << Shape.cast(layout.members[name]).width) - 1
        if size > most:
            return f"{opcode}.{name} must be in [0, {most}], not {size}"
    return ""


def against_folding(conv: ConvShape, factor: int) -> str:
    """Why ``factor`` adjacent pixels of a convolution's result cannot become channels of one."""
    if factor < 1:
        return "the factor must be positive"
    if conv.o2 % factor:
        return f"the output is {conv.o2} pixels wide, which is no multiple"
    if factor == 1:
        return ""
    if conv.groups > 1:
        return f"the convolution has {conv.groups} groups"
    if conv.dilation[1] > 1:
        return f"the kernel is dilated by {conv.dilation[1]}"
    return conv.unfolded


def against_merging(workload: Workload, group: Sequence[str]) -> str:
    """Why convolutions are no siblings that can become one, wherever their results lie."""
    if len(set(group)) < len(group):
        return "two different ones are the least"
    layers = []
    for name in group:
        layer = workload.node.get(name)
        if not isinstance(layer, Convolution):
            return f"there is no convolution {name!r}"
        layers.append(layer)
    for layer in layers:
        conv = layer.conv
        if any(isinstance(n, Join) and n.kind == "add" for n in workload.consumers[layer.name]):
            return f"the result of {layer.name!r} is a summand"
        if conv.kernel != (1, 1) or any(conv.padding) or conv.groups > 1:
            return f"{layer.name!r} is no plain 1 x 1 convolution"
        if (layer.input, conv.stride) != (layers[0].input, layers[0].conv.stride):
            return f"{layer.name!r} reads other pixels than {group[0]!r}"
    return ""


def tails(workload: Workload) -> dict[str, str]:
    """Additions by name, each with the convolution that it is the tail of, if there is one.

    The writer adds, so that a convolution qualifies whose result has no other use; the later one
    of two.
    """
    found: dict[str, str] = {}
    for node in workload.nodes:
        if isinstance(node, Join) and node.kind == "add" and len(set(node.inputs)) == 2:
            for layer in workload.convolutions:
                name = layer.name
                own = name in node.inputs and workload.consumers[name] == (node,)
                if own and name not in workload.held:
                    found[node.name] = name
    return found


def transforms(known: Sequence[Transform], tile: int | None) -> tuple[Transform, ...]:
    """Of the hardware's transforms those of a wanted output tile; None: all."""
    return tuple(transform for transform in known if tile in (None, transform.m))


def group_sizes(groups: int) -> list[int]:
    """Groups a CONV for each possible number of CONVs that a grouped convolution becomes."""
    return list(dict.fromkeys(ceil_div(groups, count) for count in range(1, groups + 1)))


def most_channels(parameter_depth: int) -> int:
    """Channels a CONV: half of the records, so that the next CONV's can be loaded meanwhile."""
    return parameter_depth // 2
