"""Views made into tensors: channels, rows and columns put where a layer wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dse.network.graph import Window
from dse.onnx.arrange import Arranger
from dse.onnx.draft import Coefficients, DraftLayer, DraftTensor
from dse.onnx.elements import PixelGrid, Positions, channel_order, grids, plain, runs
from dse.onnx.values import OverlayValue, Unmovable, extents

MOST_COPIES = 8
"""Ranges of channels that are copied one by one; more are permuted by the array."""

MOST_PARTS = 64
"""Of an image that are moved one by one: blocks of 8 x 8 pixels, but no transposed matrix."""


@dataclass(frozen=True)
class Gatherer:
    """Makes tensors of views, with layers of a node's name.

    Members
    -------
    add : appends a layer, gives it a name of its own, and returns its output.
    name, origin : for the layers.
    """

    add: Callable[[DraftLayer], DraftTensor]
    name: str
    origin: str

    def whole(self, value: OverlayValue) -> DraftTensor:
        """The tensor whose NCHW order is the value's; Unsupported if there is no way to make it."""
        height, width, channels = extents(value.shape)
        shown = value.elements
        if shown is None:
            shown = plain(value.tensor.shape, value.shape)
        image = shown.reshape(channels, height, width)
        arrange = Arranger(self.add, self.name, self.origin, value.is_quantised)
        made = self._image(arrange, value, image) or self._phases(arrange, value, image)
        if made is None:
            raise Unmovable(value.shape)
        return arrange.reshaped(made, (height, width, channels))

    def channels(self, value: OverlayValue, order: tuple[int, ...]) -> DraftTensor:
        """All pixels of some of the channels, in that order."""
        arrange = Arranger(self.add, self.name, self.origin, value.is_quantised)
        return self._picked(arrange, value, value.tensor, order)

    def _image(
        self, arrange: Arranger, value: OverlayValue, image: Positions
    ) -> DraftTensor | None:
        """All pixels, or some of them at even steps."""
        tensor = value.tensor
        order = channel_order(image, tensor.shape)
        if order is not None:
            return self._picked(arrange, value, tensor, order)
        found = grids(image, tensor.shape)
        if found is None or len(found) > MOST_PARTS:
            return None
        _, height, width = image.shape
        parts = [self._grid(arrange, value, grid, (height, width)) for grid in found]
        places = [place for grid in found for place in grid.places]
        joined = arrange.joined(parts)
        return self._picked(arrange, value, joined, tuple(int(p) for p in np.argsort(places)))

    def _grid(
        self, arrange: Arranger, value: OverlayValue, grid: PixelGrid, size: tuple[int, int]
    ) -> DraftTensor:
        (down, right), (height, width) = grid.steps, size
        rows, columns = (height - 1) * down + 1, (width - 1) * right + 1
        image = arrange.rows(value.tensor, grid.top, rows)
        image = arrange.columns(image, grid.left, columns)
        image = self._picked(arrange, value, image, grid.channels)
        if grid.steps == (1, 1):
            return image
        result = DraftTensor(self.name, height, width, image.channels, image.quantisation)
        layer = DraftLayer("max", self.name, self.origin, [image], result)
        layer.window, layer.integers = Window(stride=grid.steps), value.is_quantised
        return self.add(layer)

    def _phases(
        self, arrange: Arranger, value: OverlayValue, image: Positions
    ) -> DraftTensor | None:
        """Pixels that several pixels of the tensor make in turn: enlarged, or out of its depth."""
        _, height, width = image.shape
        tensor = value.tensor
        down, right = max(1, height // tensor.height), max(1, width // tensor.width)
        if not 1 < down * right <= MOST_PARTS or height % down or width % right:
            return None
        rows = []
        for y in range(down):
            parts = [
                self._image(arrange, value, np.ascontiguousarray(image[:, y::down, x::right]))
                for x in range(right)
            ]
            if any(part is None for part in parts):
                return None
            rows.append(arrange.columns_in_turn([part for part in parts if part is not None]))
        return arrange.rows_in_turn(rows)

    def _picked(
        self,
        arrange: Arranger,
        value: OverlayValue,
        tensor: DraftTensor,
        order: tuple[int, ...],
    ) -> DraftTensor:
        stretches = list(runs(order))
        if len(stretches) <= MOST_COPIES:
            return arrange.joined([arrange.channels(tensor, *stretch) for stretch in stretches])
        result = DraftTensor(
            self.name, tensor.height, tensor.width, len(order), tensor.quantisation
        )
        ones = np.zeros((len(order), 1, 1, tensor.channels), np.int64)
        ones[np.arange(len(order)), 0, 0, order] = 1
        layer = DraftLayer("conv", self.name, self.origin, [tensor], result, moves=True)
        layer.weight = Coefficients(ones, np.ones(len(order)))
        layer.integers = value.is_quantised
        return self.add(layer)
