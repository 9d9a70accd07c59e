"""Images enlarged by whole numbers, each pixel between the four nearest ones: depthwise taps.

Enlarged by s along an axis, output ``s * m + p`` lies between two neighbours near m, at the same
fraction for all m: a convolution of two taps for each of the s phases p.  At the edges the last
pixel is its own neighbour, so the image gets a frame of its edges first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.network.graph import Window
from dse.onnx.arrange import Arranger
from dse.onnx.draft import Coefficients, DraftLayer, DraftTensor


@dataclass(frozen=True)
class Phase:
    """Outputs between the pixels ``first`` and ``first + 1`` behind the one of their number.

    ``shares``: of both, in units of one over ``total``.
    """

    first: int
    shares: tuple[int, int]
    total: int


def phases(times: int, centred: bool) -> tuple[Phase, ...]:
    """Of an axis enlarged so many times; ``centred``: pixels are areas, not points."""
    found = []
    for number in range(times):
        place = 2 * number + 1 - times if centred else 2 * number  # in units of 1 / (2 * times)
        first, share = divmod(place, 2 * times)
        found.append(Phase(first, (2 * times - share, share), 2 * times))
    return tuple(found)


def interpolated(
    arrange: Arranger,
    image: DraftTensor,
    down: tuple[Phase, ...],
    right: tuple[Phase, ...],
) -> DraftTensor:
    """The image enlarged in both directions."""
    height, width, _ = image.shape
    framed = _framed(arrange, image)
    rows = []
    for y in down:
        parts = [_phase(arrange, framed, (height, width), y, x) for x in right]
        columns = arrange.columns_in_turn(parts)
        rows.append(arrange.columns(columns, 0, len(right) * width))
    return arrange.rows_in_turn(rows)


def _framed(arrange: Arranger, image: DraftTensor) -> DraftTensor:
    """The image with its edges around it once more; those at the bottom twice."""
    columns = [arrange.columns(image, at, 1) for at in (0, image.width - 1)]
    wide = arrange.beside([columns[0], image, columns[1]])
    rows = [arrange.rows(wide, at, 1) for at in (0, wide.height - 1)]
    return arrange.stacked([rows[0], wide, rows[1], rows[1]])


def _phase(
    arrange: Arranger, framed: DraftTensor, size: tuple[int, int], y: Phase, x: Phase
) -> DraftTensor:
    """All outputs of a phase, with a column behind each row that is none.

    The first of its pixels lies at the upper left of the frame, or behind it: an image that begins
    there is a view, whose rows end in the next.
    """
    (height, width), channels = size, framed.channels
    seen = arrange.from_pixel(framed, 1 + y.first, 1 + x.first, height + 1)
    taps = np.outer(y.shares, x.shares).astype(np.int64)
    weight = np.broadcast_to(taps[..., None], (channels, 2, 2, 1))
    scale = np.full(channels, 1.0 / (y.total * x.total))
    return arrange.layer(
        DraftLayer(
            "conv",
            "taps",
            "",
            [seen],
            DraftTensor("taps", height, width + 1, channels),
            Window((2, 2)),
            groups=channels,
            weight=Coefficients(weight, scale),
        )
    )
