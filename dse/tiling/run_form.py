"""Runs: into which contiguous bytes a window is cut; search and compiler ask alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dse.tiling.count import Count, ceil_div


class Tapped(Protocol):
    """What a convolution's shape and an operator's window have in common."""

    @property
    def kernel(self) -> tuple[int, int]: ...
    @property
    def dilation(self) -> tuple[int, int]: ...


@dataclass(frozen=True)
class RunForm:
    """``rows`` x ``columns`` runs of so many bytes; ``whole``: the only one is all of the input."""

    rows: int
    columns: int
    bytes: int
    whole: bool = False

    def words(self, reduction: Count) -> Count:
        """Activation words of a pixel."""
        return self.rows * self.columns * ceil_div(self.bytes, reduction)


def run_form(window: Tapped, channels: int, *, contiguous: bool, covers: bool) -> RunForm:
    """The whole input where the window covers it, else kernel rows, else taps.

    ``contiguous``: of the channels that are read, those of neighbouring pixels; if not: taps.
    """
    rows, columns = window.kernel
    if contiguous and covers:
        return RunForm(1, 1, rows * columns * channels, whole=True)
    if contiguous and window.dilation[1] == 1:
        return RunForm(rows, 1, columns * channels)
    return RunForm(rows, columns, channels)
