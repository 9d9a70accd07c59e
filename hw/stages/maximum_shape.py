"""The windows of a maximum behind a stage."""

from __future__ import annotations

from dataclasses import dataclass

from hw.isa.config import ceil_div
from hw.lib.sizes import check_sizes


@dataclass(frozen=True, kw_only=True)
class MaximumShape:
    """A maximum over windows; what lies outside of the map counts for nothing.

    Parameters
    ----------
    kernel, stride, pad : window, step and padding before the first pixel.
    size_out : height and width of the result; the last window may reach beyond the map.
    """

    kernel: int
    stride: int
    size_out: int
    pad: int = 0

    def __post_init__(self) -> None:
        check_sizes(1, kernel=self.kernel, stride=self.stride, size_out=self.size_out)
        check_sizes(0, self.kernel - 1, pad=self.pad)

    @property
    def overlap(self) -> int:
        """Windows of one direction that a pixel may lie in."""
        return ceil_div(self.kernel, self.stride)

    def walked(self, size: int) -> int:
        """Pixels of one direction that are walked: those of the map, and those behind it that the
        last window covers."""
        return max(size, (self.size_out - 1) * self.stride - self.pad + self.kernel)
