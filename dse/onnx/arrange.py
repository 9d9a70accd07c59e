"""Tensors put together from others, and cut: rows, columns and channels that need no arithmetic.

Everything becomes views (slice, reshape) and concatenations along the channels: a row of pixels is
one pixel of width times channels values, and an image is one pixel of all its values.  What cannot
be written in place is copied by the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dse.network.tensor import Shape
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.tiling.walks import largest
from hw.isa import Opcode

LARGEST_COPY = largest(Opcode.POOL, "channels")
"""Channels that one instruction copies."""


class Arranger:
    """Adds the layers of an arrangement for one node.

    Parameters
    ----------
    add : appends a layer, gives it a name of its own, and returns its output.
    name, origin : of the node, for its layers.
    integers : whether the model holds the values quantised.
    """

    def __init__(
        self,
        add: Callable[[DraftLayer], DraftTensor],
        name: str,
        origin: str,
        integers: bool = False,
    ) -> None:
        self._add = add
        self._name = name
        self._origin = origin
        self._integers = integers
        self._origins: dict[DraftTensor, DraftTensor] = {}

    # Views.

    def reshaped(self, tensor: DraftTensor, shape: Shape) -> DraftTensor:
        """The same bytes with other extents."""
        tensor = self._origins.get(tensor, tensor)
        if tensor.shape == shape:
            return tensor
        result = self._layer("reshape", [tensor], shape)
        self._origins[result] = tensor
        return result

    def channels(self, tensor: DraftTensor, first: int, count: int) -> DraftTensor:
        """A range of the channels."""
        if count == tensor.channels:
            return tensor
        shape = (tensor.height, tensor.width, count)
        return self._layer("slice", [tensor], shape, first)

    def rows(self, tensor: DraftTensor, first: int, count: int) -> DraftTensor:
        """A range of the rows."""
        row = tensor.width * tensor.channels
        values = self.channels(self._values(tensor), first * row, count * row)
        return self.reshaped(values, (count, tensor.width, tensor.channels))

    def columns(self, tensor: DraftTensor, first: int, count: int) -> DraftTensor:
        """A range of the columns; to be seen as an image again its rows are copied together."""
        if count == tensor.width:
            return tensor
        height, _, channels = tensor.shape
        some = self.channels(self._row_values(tensor), first * channels, count * channels)
        return self.reshaped(some, (height, count, channels))

    def from_pixel(self, tensor: DraftTensor, row: int, column: int, height: int) -> DraftTensor:
        """An image of so many rows that begins at a pixel; its rows end in the tensor's next."""
        _, width, channels = tensor.shape
        first, count = (row * width + column) * channels, height * width * channels
        return self.reshaped(
            self.channels(self._values(tensor), first, count), (height, width, channels)
        )

    # What is put together.

    def layer(self, layer: DraftLayer) -> DraftTensor:
        """A layer that computes, named after the node as the others are."""
        layer.name = layer.output.name = f"{self._name}/{layer.name}"
        layer.origin = self._origin
        return self._add(layer)

    def joined(self, parts: Sequence[DraftTensor]) -> DraftTensor:
        """Beside each other along the channels."""
        if len(parts) == 1:
            return parts[0]
        height, width, _ = parts[0].shape
        pieces = [piece for part in parts for piece in self._pieces(part)]
        channels = sum(part.channels for part in pieces)
        return self._layer("concat", pieces, (height, width, channels))

    def stacked(self, parts: Sequence[DraftTensor]) -> DraftTensor:
        """Below each other."""
        _, width, channels = parts[0].shape
        height = sum(part.height for part in parts)
        values = self.joined([self._values(part) for part in parts])
        return self.reshaped(values, (height, width, channels))

    def beside(self, parts: Sequence[DraftTensor]) -> DraftTensor:
        """Beside each other along the columns."""
        height, _, channels = parts[0].shape
        width = sum(part.width for part in parts)
        values = self.joined([self._row_values(part) for part in parts])
        return self.reshaped(values, (height, width, channels))

    def rows_in_turn(self, parts: Sequence[DraftTensor]) -> DraftTensor:
        """The first row of each part, then the second of each, and so on."""
        height, width, channels = parts[0].shape
        values = self.joined([self._row_values(part) for part in parts])
        return self.reshaped(values, (len(parts) * height, width, channels))

    def columns_in_turn(self, parts: Sequence[DraftTensor]) -> DraftTensor:
        """The first column of each part, then the second of each, and so on."""
        height, width, channels = parts[0].shape
        return self.reshaped(self.joined(parts), (height, len(parts) * width, channels))

    def _pieces(self, tensor: DraftTensor) -> list[DraftTensor]:
        """The tensor, or ranges of its channels that an instruction can copy."""
        starts = range(0, tensor.channels, LARGEST_COPY)
        return [
            self.channels(tensor, first, min(LARGEST_COPY, tensor.channels - first))
            for first in starts
        ]

    def _row_values(self, tensor: DraftTensor) -> DraftTensor:
        return self.reshaped(tensor, (tensor.height, 1, tensor.width * tensor.channels))

    def _values(self, tensor: DraftTensor) -> DraftTensor:
        height, width, channels = tensor.shape
        return self.reshaped(tensor, (1, 1, height * width * channels))

    def _layer(
        self, kind: str, inputs: list[DraftTensor], shape: Shape, channel: int = 0
    ) -> DraftTensor:
        name = f"{self._name}/{kind}"
        known = {tensor.quantisation for tensor in inputs}
        output = DraftTensor(name, *shape, known.pop() if len(known) == 1 else None)
        return self._add(
            DraftLayer(
                kind,  # type: ignore[arg-type]
                name,
                self._origin,
                inputs,
                output,
                channel=channel,
                integers=self._integers,
            )
        )
