"""From a layer's shape to the extents of its CONVs, for many arrays at once.

The compiler's counterpart is ``dse.compile.runs``, which starts from a network's tensors.
"""

from __future__ import annotations

from dse.cost.candidates import ConvExtents, Tiled
from dse.cost.ways import Way
from dse.network.conv_shape import ConvShape
from dse.tiling.grid import Count, ceil_div
from dse.tiling.legality import ConvAlgorithm, group_sizes
from dse.tiling.part_chunks import Taps
from hw.isa import Dataflow
from hw.isa.transforms import TAPS


def packings(groups: int) -> list[int]:
    """Of the compiler's packings those into one CONV, two, four, ..., and one for each group."""
    sizes = group_sizes(groups)
    counts = {-(-groups // (1 << k)) for k in range(groups.bit_length())}
    return [size for size in reversed(sizes) if size in counts or size == 1]


def extents(conv: ConvShape, way: Way, groups: int, reduction: Count) -> ConvExtents | Tiled:
    """The CONV of so many groups, packed into one dense block."""
    channels = groups * conv.cout // conv.groups
    words = ceil_div(groups * conv.cin // conv.groups, reduction)
    if way.transform is not None:
        rows, columns = (-(-extent // way.transform.m) for extent in (conv.o1, conv.o2))
        rounds = -(-conv.kernel[0] // TAPS) * -(-conv.kernel[1] // TAPS)
        return Tiled(way.transform, rows, columns, rounds * words, channels)
    pixels = conv.o1 * conv.o2
    if way.algorithm is ConvAlgorithm.IM2COL:
        return ConvExtents(pixels, channels, _run_words(conv, groups, reduction))
    taps = None
    if way.dataflow is Dataflow.WS:
        taps = Taps.of((conv.o1, conv.o2), (conv.height, conv.width), conv)
    return ConvExtents(pixels, channels, conv.taps * words, taps)


def _run_words(conv: ConvShape, groups: int, reduction: Count) -> Count:
    """im2col: runs are kernel rows where contiguous, else taps."""
    rows, columns = conv.kernel
    channels = groups * conv.cin // conv.groups
    whole = conv.contiguous and groups == conv.groups
    if whole and conv.is_dense:
        return ceil_div(conv.taps * channels, reduction)
    if whole and conv.dilation[1] == 1:
        return rows * ceil_div(columns * channels, reduction)
    return conv.taps * ceil_div(channels, reduction)
