"""What may be done with a convolution: the one place that search, graph passes and compiler ask.

A function named after a question returns the reason against it, or an empty text.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from dse.network.conv_shape import ConvShape
from dse.network.graph import Add, Combine, Conv, Network, Pool
from dse.tiling.depthwise import walk as depthwise_walk
from dse.tiling.run_form import run_form
from dse.tiling.tile_form import Tile, TileForm, tile_forms
from dse.tiling.walks import ImageWalk, against
from hw.isa import Dataflow, Opcode
from hw.isa.config import ceil_div
from hw.isa.transforms import Transform
from hw.pool.pool_layouts import MOST_PRODUCTS


class ConvAlgorithm(enum.Enum):
    """How a convolution is computed: as which matrix products, or beside the array."""

    IM2COL = "im2col"
    KN2ROW = "kn2row"
    WINOGRAD = "winograd"
    DEPTHWISE = "depthwise"  # no matrix product: on the engine that pools


class Strided(Protocol):
    """What a convolution's shape and an operator's window have in common."""

    @property
    def stride(self) -> tuple[int, int]: ...
    @property
    def dilation(self) -> tuple[int, int]: ...


WINOGRAD_FLOWS = (Dataflow.WS, Dataflow.IS)


def against_algorithm(
    window: Strided,
    algorithm: ConvAlgorithm,
    dataflow: Dataflow | None = None,
    form: TileForm | None = None,
) -> str:
    """Why a convolution cannot be computed so; ``dataflow`` None: in none; ``form``: of Winograd,
    None: by a transform of two dimensions."""
    if algorithm is not ConvAlgorithm.WINOGRAD:
        return ""
    if dataflow not in (None, *WINOGRAD_FLOWS):
        return f"winograd needs the dataflow WS or IS, not {dataflow.name}"
    if form is not None and form.line:
        stride, dilation = form.own(window.stride)[0], form.own(window.dilation)[0]
        if stride == dilation == 1:
            return ""
        axis = "columns" if form.transposed else "rows"
        return (
            f"winograd along {axis} needs stride 1 and dilation 1 there, not {stride} and "
            f"{dilation}: choose im2col or kn2row"
        )
    if window.stride != (1, 1) or window.dilation != (1, 1):
        return (
            f"winograd needs stride 1 and dilation 1, not {window.stride} and {window.dilation}: "
            "choose im2col or kn2row"
        )
    return ""


def transforms_taps(conv: ConvShape, form: TileForm) -> bool:
    """Whether Winograd can compute a convolution with a form, and has taps to transform."""
    one = form.own(conv.kernel)[0] == 1 if form.line else conv.taps == 1
    return not one and not against_algorithm(conv, ConvAlgorithm.WINOGRAD, form=form)


def against_walking(conv: ConvShape, algorithm: ConvAlgorithm, form: TileForm | None = None) -> str:
    """Why the instruction set cannot say how a convolution walks its input."""
    contiguous = joins_columns(algorithm, form) and conv.contiguous and conv.groups == 1
    covers = algorithm is ConvAlgorithm.IM2COL and conv.is_dense
    runs = run_form(conv, conv.cin, contiguous=contiguous, covers=covers)
    if runs.whole:
        return ""
    walk = _walk(conv, (runs.rows, runs.columns))
    return against(Opcode.CONV, walk.transposed if form and form.transposed else walk.fields)


def _walk(conv: ConvShape, taps: tuple[int, int]) -> ImageWalk:
    return ImageWalk(
        height=conv.height,
        width=conv.width,
        channels=conv.cin,
        taps=taps,
        outputs=(conv.o1, conv.o2),
        stride=conv.stride,
        dilation=conv.dilation,
        before=conv.padding[:2],
    )


def joins_columns(algorithm: ConvAlgorithm, form: TileForm | None) -> bool:
    """Whether a row of the kernel can be one run."""
    return algorithm is ConvAlgorithm.IM2COL or (form is not None and form.runs)


def against_depthwise(conv: ConvShape) -> str:
    """Why the engine that pools cannot take a convolution, if it has the multipliers."""
    if not conv.groups == conv.cin == conv.cout:
        return "it is no convolution of groups of one channel"
    if conv.summand:
        return "its result is a summand, which the array's writer adds"
    if conv.taps > MOST_PRODUCTS:
        return f"its {conv.taps} taps are more than {MOST_PRODUCTS}"
    return against(Opcode.POOL, {**depthwise_walk(conv).fields, "channels": conv.cin})


def against_pooling(network: Network, pool: Pool) -> str:
    """Why the instruction set cannot say a pooling."""
    walk = _pool_walk(network, pool)
    return against(Opcode.POOL, {**walk.fields, "channels": walk.channels})


def against_wider_rows(network: Network, op: Conv | Pool) -> str:
    """Why the instruction set cannot say how a layer walks an image in whose rows gaps, shorter
    than these, follow the pixels; of a convolution: along rows and columns."""
    if isinstance(op, Pool):
        walk = _pool_walk(network, op)
        return against(Opcode.POOL, replace(walk, gap=walk.width).fields)
    conv = network.conv_shape(op)
    walk = replace(_walk(conv, conv.kernel), gap=conv.width)
    return against(Opcode.CONV, walk.fields) or against(Opcode.CONV, walk.transposed)


def _pool_walk(network: Network, pool: Pool) -> ImageWalk:
    height, width, channels = network.tensors[pool.input].shape
    window = pool.window
    return ImageWalk(
        height=height,
        width=width,
        channels=channels,
        taps=window.kernel,
        outputs=network.tensors[pool.output].shape[:2],
        stride=window.stride,
        dilation=window.dilation,
        before=window.padding[:2],
    )


def against_combining(network: Network, combine: Combine) -> str:
    """Why the instruction set cannot say a combination of two tensors."""
    height, width, channels = network.tensors[combine.a].shape
    walk = ImageWalk(
        height=height, width=width, channels=channels, taps=(1, 1), outputs=(height, width)
    )
    return against(Opcode.POOL, {**walk.fields, "channels": channels})


def against_folding(conv: ConvShape, factor: int) -> str:
    """Why ``factor`` adjacent pixels of a convolution's result cannot become channels of one."""
    if factor < 1:
        return "the factor must be positive"
    if factor == 1:
        return ""
    if factor > conv.o2:
        return f"the output is {conv.o2} pixels wide, which are fewer"
    if conv.groups > 1:
        return f"the convolution has {conv.groups} groups"
    if conv.dilation[1] > 1:
        return f"the kernel is dilated by {conv.dilation[1]}"
    if conv.unfolded or not conv.o2 % factor:
        return conv.unfolded
    return conv.unpadded and f"{conv.o2} pixels are no multiple, and {conv.unpadded}"


def against_merging(network: Network, group: Sequence[str]) -> str:
    """Why convolutions are no siblings that can become one, wherever their results lie."""
    if len(set(group)) < len(group):
        return "two different ones are the least"
    known = {conv.name: conv for conv in network.convolutions()}
    for name in group:
        if name not in known:
            return f"there is no convolution {name!r}"
    first = known[group[0]]
    for conv in (known[name] for name in group):
        window = conv.window
        if conv.table is not None:
            return f"{conv.name!r} applies a table of its own"
        if any(isinstance(op, Add) for op in network.consumers[conv.output]):
            return f"the result of {conv.name!r} is a summand"
        if window.kernel != (1, 1) or any(window.padding) or conv.groups > 1:
            return f"{conv.name!r} is no plain 1 x 1 convolution"
        if (conv.input, window.stride) != (first.input, first.window.stride):
            return f"{conv.name!r} reads other pixels than {group[0]!r}"
    return ""


def tails(network: Network) -> dict[str, str]:
    """Additions by name, each with the convolution that it is the tail of, if there is one.

    The writer adds, so that a convolution qualifies whose result has no other use; the later one
    of two.
    """
    found: dict[str, str] = {}
    for conv in network.convolutions():
        match network.consumers[conv.output]:
            case [Add() as add] if add.a != add.b and conv.output not in network.outputs:
                found[add.name] = conv.name
    return found


def forms_of(known: Sequence[Transform], tile: Tile | None) -> tuple[TileForm, ...]:
    """Of what the hardware's transforms can do that of a wanted output tile; None: all."""
    return tuple(form for form in tile_forms(known) if tile in (None, form.tile))


def group_sizes(groups: int) -> list[int]:
    """Groups a CONV for each possible number of CONVs that a grouped convolution becomes."""
    return list(dict.fromkeys(ceil_div(groups, count) for count in range(1, groups + 1)))


def most_channels(parameter_depth: int) -> int:
    """Channels a CONV: half of the records, so that the next CONV's can be loaded meanwhile."""
    return parameter_depth // 2
