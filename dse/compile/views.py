"""Where tensors lie: all of a buffer, or a channel range of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dse.network.graph import Crop, Network, Reshape
from dse.passes.placement import placement


@dataclass(frozen=True)
class View:
    """A tensor in a buffer: pixel (y, x) starts at ``start + y * row_pitch + x * pitch + channel``.

    ``start`` is where the row of pixels starts, ``channel`` the first channel within a pixel.
    ``gap``: pixels between the rows, which are none of the tensor's.
    """

    buffer: str
    height: int
    width: int
    channels: int
    pitch: int
    start: int = 0
    channel: int = 0
    gap: int = 0

    @property
    def row_pitch(self) -> int:
        """Bytes from row to row."""
        return (self.width + self.gap) * self.pitch

    @property
    def row_bytes(self) -> int:
        """Bytes of a row's own pixels: what lies beyond is padding to who reads it."""
        return self.width * self.pitch

    @property
    def dense(self) -> bool:
        """Whether the bytes of a row are contiguous."""
        return self.pitch == self.channels

    @property
    def whole(self) -> bool:
        """Whether all of the tensor's bytes are contiguous."""
        return self.dense and (self.height == 1 or self.gap == 0)

    def span(self, rows: int) -> int:
        """Pixels of so many rows, with those between them."""
        return rows * (self.width + self.gap) - self.gap

    def slice(self, channel: int, channels: int) -> View:
        """A range of the channels."""
        return _normal(replace(self, channel=self.channel + channel, channels=channels))

    def reshape(self, height: int, width: int, channels: int) -> View:
        """The same contiguous bytes with other extents."""
        assert self.whole, f"a view of {self.buffer!r} is not contiguous"
        return View(self.buffer, height, width, channels, channels, self.start)

    def crop(self, height: int, width: int) -> View:
        """The first rows and columns."""
        gap = self.gap + self.width - width
        return _normal(replace(self, height=height, width=width, gap=gap))


@dataclass(frozen=True)
class Layout:
    """All tensors' views, and the bytes of the buffers behind them."""

    views: Mapping[str, View]
    buffers: Mapping[str, int]


def lay_out(network: Network) -> Layout:
    """Views of all tensors of a network whose concat inputs can all be written in place."""
    found = placement(network)
    assert not found.copies, f"{sorted(found.copies)} have no place: insert_copies first"
    views: dict[str, View] = {}
    buffers: dict[str, int] = {}
    whole: dict[str, View] = {}  # of groups, by the name that placement gives the buffer
    order = [*network.inputs, *(op.output for op in network.operators)]
    for name in order:
        tensor, at = network.tensors[name], found.places[name]
        producer = network.producers.get(name)
        if isinstance(producer, Reshape):
            whole[at.buffer] = views[producer.input].reshape(tensor.height, tensor.width, at.pitch)
        elif isinstance(producer, Crop):
            whole[at.buffer] = views[producer.input].crop(tensor.height, tensor.width)
        elif at.buffer not in whole:
            whole[at.buffer] = View(at.buffer, tensor.height, tensor.width, at.pitch, at.pitch)
            buffers[at.buffer] = tensor.height * tensor.width * at.pitch
        views[name] = whole[at.buffer].slice(at.channel, tensor.channels)
    return Layout(views, buffers)


def _normal(view: View) -> View:
    """A single pixel's channel range is contiguous, whatever surrounds it."""
    if view.height * view.width > 1:
        return view
    start = view.start + view.channel
    return replace(view, pitch=view.channels, start=start, channel=0, gap=0)
