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
from dse.tiling.run_form import run_form
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
    """im2col: words of a pixel of so many groups; of a single pixel any channels are contiguous."""
    channels = groups * conv.cin // conv.groups
    contiguous = conv.height * conv.width == 1 or (conv.contiguous and groups == conv.groups)
    form = run_form(conv, channels, contiguous=contiguous, covers=conv.is_dense)
    return form.words(reduction)
