"""Fields and regions that CONV and POOL share: how a window walks rows in tensor memory."""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.region import Memory, Region, strided
from dse.compile.strips import Rows
from dse.network.graph import Window


@dataclass(frozen=True)
class WindowWalk:
    """Output rows ``[first, last)`` from the rows in ``source`` into the rows in ``target``.

    ``taps``: (rows, columns) of separate taps.  ``channel``: first channel written in the target.
    """

    window: Window
    taps: tuple[int, int]
    source: Rows
    target: Rows
    first: int
    last: int
    zero_point: int
    channel: int = 0

    @property
    def pixels(self) -> int:
        """Output pixels."""
        return (self.last - self.first) * self.target.view.width

    @property
    def top(self) -> int:
        """Row of the first tap of the first output row, counted from the first row in memory."""
        return self.first * self.window.stride[0] - self.window.padding[0] - self.source.first

    def fields(self) -> dict[str, int]:
        """The instruction fields of the walk; steps that are never taken are zero."""
        view, window = self.source.view, self.window
        rows, columns = self.taps
        down = window.stride[0] if self.last - self.first > 1 else 0
        right = window.stride[1] if self.target.view.width > 1 else 0
        tap_down = window.dilation[0] if rows > 1 else 0
        tap_right = window.dilation[1] if columns > 1 else 0
        return {
            "address": self.source.address + self.top * view.row_pitch,
            "row_pitch": view.row_bytes,
            "height": self.source.count,
            "row0": self.top,
            "position0": view.channel - window.padding[1] * view.pitch,
            "row_step": down,
            "row_step_bytes": down * view.row_pitch,
            "column_step": right * view.pitch,
            "tap_rows": rows,
            "tap_row_step": tap_down,
            "tap_row_bytes": tap_down * view.row_pitch,
            "tap_columns": columns,
            "tap_column_step": tap_right * view.pitch,
            "zero_point": self.zero_point,
            "out_width": self.target.view.width,
            "pixels": self.pixels,
            "out_address": self.written(1).start,
            "out_pitch": self.target.view.pitch,
        }

    def read(self) -> tuple[Region, ...]:
        """What the taps read."""
        view, window = self.source.view, self.window
        reach = (window.kernel[0] - 1) * window.dilation[0]
        bottom = self.top + (self.last - self.first - 1) * window.stride[0] + reach + 1
        start, end = max(self.top, 0), min(bottom, self.source.count)
        if end <= start:
            return ()
        address = self.source.address + start * view.row_pitch + view.channel
        pixels = view.span(end - start)
        return (strided(Memory.TENSOR, address, view.channels, view.pitch, pixels),)

    def written(self, channels: int) -> Region:
        """Where ``channels`` results of each pixel go."""
        return channel_region(self.target, self.first, self.last, self.channel, channels)


def channel_region(rows: Rows, first: int, last: int, channel: int, channels: int) -> Region:
    """A channel range of some rows of a tensor."""
    view = rows.view
    address = rows.at(first) + view.channel + channel
    return strided(Memory.TENSOR, address, channels, view.pitch, view.span(last - first))
