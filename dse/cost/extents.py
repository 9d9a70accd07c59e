"""From a layer's shape to the extents of its CONVs, for many arrays at once.

The compiler's counterpart is ``dse.compile.runs``, which starts from a network's tensors.
"""

from __future__ import annotations

from math import prod

from dse.cost.candidates import ConvExtents, Tiled
from dse.cost.ways import Way
from dse.network.conv_shape import ConvShape
from dse.tiling.count import Count, ceil_div
from dse.tiling.legality import ConvAlgorithm, group_sizes
from dse.tiling.part_chunks import Taps
from dse.tiling.run_form import RunForm, run_form
from dse.tiling.tile_form import TileForm
from hw.isa import Dataflow


def packings(groups: int) -> list[int]:
    """Of the compiler's packings those into one CONV, two, four, ..., and one for each group."""
    sizes = group_sizes(groups)
    counts = {-(-groups // (1 << k)) for k in range(groups.bit_length())}
    return [size for size in reversed(sizes) if size in counts or size == 1]


def extents(conv: ConvShape, way: Way, groups: int, reduction: Count) -> ConvExtents | Tiled:
    """The CONV of so many groups, packed into one dense block."""
    channels = groups * conv.cout // conv.groups
    words = ceil_div(groups * conv.cin // conv.groups, reduction)
    if way.form is not None:
        return _tiled(conv, way.form, groups, channels, reduction)
    pixels = conv.o1 * conv.o2
    if way.algorithm is ConvAlgorithm.IM2COL:
        return ConvExtents(pixels, channels, _runs(conv, groups).words(reduction))
    taps = None
    if way.dataflow is Dataflow.WS:
        taps = Taps.of((conv.o1, conv.o2), (conv.height, conv.width), conv)
    return ConvExtents(pixels, channels, conv.taps * words, taps)


def _tiled(conv: ConvShape, form: TileForm, groups: int, channels: int, reduction: Count) -> Tiled:
    contiguous = form.runs and conv.contiguous and groups == conv.groups
    runs = run_form(conv, groups * conv.cin // conv.groups, contiguous=contiguous, covers=False)
    rows, columns = form.own((conv.o1, conv.o2))
    transform = form.transform
    return Tiled(
        transform=transform,
        rows=-(-rows // transform.y.m),
        columns=-(-columns // transform.x.m),
        patches=prod(form.rounds(runs)) * ceil_div(runs.bytes, reduction),
        channels=channels,
    )


def _runs(conv: ConvShape, groups: int) -> RunForm:
    """im2col: of so many groups; of a single pixel any channels are contiguous."""
    channels = groups * conv.cin // conv.groups
    contiguous = conv.height * conv.width == 1 or (conv.contiguous and groups == conv.groups)
    return run_form(conv, channels, contiguous=contiguous, covers=conv.is_dense)
