"""Where tensors lie: one buffer each, or a channel range of a concatenation's buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dse.network.graph import Concat, Network, Reshape


@dataclass(frozen=True)
class View:
    """A tensor in a buffer: pixel (y, x) starts at ``start + (y * width + x) * pitch + channel``.

    ``start`` is where the row of pixels starts, ``channel`` the first channel within a pixel.
    """

    buffer: str
    height: int
    width: int
    channels: int
    pitch: int
    start: int = 0
    channel: int = 0

    @property
    def row_pitch(self) -> int:
        """Bytes between rows."""
        return self.width * self.pitch

    @property
    def dense(self) -> bool:
        """Whether the tensor's bytes are contiguous."""
        return self.pitch == self.channels

    def slice(self, channel: int, channels: int) -> View:
        """A range of the channels."""
        return _normal(replace(self, channel=self.channel + channel, channels=channels))

    def reshape(self, height: int, width: int, channels: int) -> View:
        """The same contiguous bytes with other extents."""
        assert self.dense, f"a view of {self.buffer!r} is not contiguous"
        return View(self.buffer, height, width, channels, channels, self.start)


@dataclass(frozen=True)
class Layout:
    """All tensors' views, and the bytes of the buffers behind them."""

    views: Mapping[str, View]
    buffers: Mapping[str, int]


def lay_out(network: Network) -> Layout:
    """Views of all tensors of a network whose concat inputs can all be written in place."""
    parents = {
        name: (op.output, sum(network.tensors[n].channels for n in op.inputs[:index]))
        for op in network.operators
        if isinstance(op, Concat)
        for index, name in enumerate(op.inputs)
    }
    views: dict[str, View] = {}
    buffers: dict[str, int] = {}

    def view(name: str) -> View:
        if name not in views:
            views[name] = find(name)
        return views[name]

    def find(name: str) -> View:
        tensor = network.tensors[name]
        producer = network.producers.get(name)
        if isinstance(producer, Reshape):
            return view(producer.input).reshape(*tensor.shape)
        if name in parents:
            parent, channel = parents[name]
            return view(parent).slice(channel, tensor.channels)
        buffers[name] = tensor.size
        return View(name, *tensor.shape, tensor.channels)

    for name in network.tensors:
        if name in network.producers or name in network.inputs:
            view(name)
    return Layout(views, buffers)


def _normal(view: View) -> View:
    """A single pixel's channel range is contiguous, whatever surrounds it."""
    if view.height * view.width > 1:
        return view
    return replace(view, pitch=view.channels, start=view.start + view.channel, channel=0)
