"""Transposed convolutions as convolutions whose results interleave.

Output row ``s * m + p`` of stride s sees input rows near m only, through those taps of the kernel
that are s rows apart: each of the s phases p is a convolution of stride 1, and so for columns.
Phases of columns lie beside each other as channels, which is the same as pixels in turn; those of
rows are put together row by row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from dse.network.graph import Window
from dse.network.names import Names
from dse.onnx.arrange import Arranger
from dse.onnx.draft import Coefficients, Draft, DraftLayer, DraftTensor


def expand(draft: Draft) -> None:
    """Replace the transposed convolutions of a draft."""
    names = draft.names()
    layers = draft.layers
    draft.layers = []
    for layer in layers:
        draft.layers += _phases(layer, names) if layer.transposed else [layer]


@dataclass(frozen=True)
class _Phase:
    """One axis of a phase: tap ``taps[k]`` of the kernel, or none, is the convolution's tap k."""

    before: int
    after: int
    taps: tuple[int | None, ...]


def _phase(layer: DraftLayer, axis: int, number: int, count: int) -> _Phase:
    """The phase ``number`` of an axis; it has ``count`` outputs."""
    window, size = layer.window, layer.inputs[0].shape[axis]
    stride, dilation = window.stride[axis], window.dilation[axis]
    at = {}
    for tap in range(window.kernel[axis]):
        place = number + window.padding[axis] - tap * dilation
        if place % stride == 0:
            at[place // stride] = tap
    first, last = min(0, *at, 0), max(size - count, *at, 0)
    taps = tuple(at.get(shift) for shift in range(first, last + 1))
    return _Phase(-first, count - 1 + last - (size - 1), taps)


def _phases(layer: DraftLayer, names: Names) -> list[DraftLayer]:
    made: list[DraftLayer] = []

    def add(new: DraftLayer) -> DraftTensor:
        new.name = names.fresh(new.name)
        new.output.name = names.fresh(new.output.name)
        made.append(new)
        return new.output

    arrange = Arranger(add, layer.name, layer.origin)
    height, width, _ = layer.output.shape
    down, right = layer.window.stride
    rows = []
    for y in range(down):
        lines = _phase(layer, 0, y, ceil(height / down))
        columns = [_phase(layer, 1, x, ceil(width / right)) for x in range(right)]
        parts = [add(_part(layer, lines, column)) for column in columns]
        rows.append(arrange.columns(arrange.columns_in_turn(parts), 0, width))
    image = arrange.rows(arrange.rows_in_turn(rows), 0, height)
    last = next(new for new in made if new.output is image)
    last.output = layer.output
    return made


def _part(layer: DraftLayer, y: _Phase, x: _Phase) -> DraftLayer:
    """The convolution of one phase."""
    assert layer.weight is not None
    image, result = layer.inputs[0], layer.output
    window = Window((len(y.taps), len(x.taps)), padding=(y.before, x.before, y.after, x.after))
    height, width = window.output(image.height, image.width)
    values = layer.weight.values
    kernel = np.zeros((len(values), *window.kernel, values.shape[3]), values.dtype)
    for row, own_row in enumerate(y.taps):
        for column, own_column in enumerate(x.taps):
            if own_row is not None and own_column is not None:
                kernel[:, row, column] = values[:, own_row, own_column]
    return replace(
        layer,
        output=DraftTensor(layer.name, height, width, result.channels, result.quantisation),
        window=window,
        weight=Coefficients(kernel, layer.weight.scale),
        transposed=False,
    )
