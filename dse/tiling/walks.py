"""What the instruction set can say of a window's walk over an image: the widths of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hw.isa import Opcode, limits


@dataclass(frozen=True, kw_only=True)
class ImageWalk:
    """A window over an image whose rows are contiguous, all its rows in memory.

    ``height``, ``width``, ``channels``: of the image. ``taps``, ``stride``, ``dilation``: (y, x).
    ``before``: padding (top, left). ``outputs``: (height, width) of the result. ``gap``: pixels
    between the rows, which are none of the image's.
    """

    height: int
    width: int
    channels: int
    taps: tuple[int, int]
    outputs: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    gap: int = 0

    @property
    def fields(self) -> dict[str, int]:
        """Fields of CONV and POOL; steps that are never taken are zero."""
        return self._fields(0)

    @property
    def transposed(self) -> dict[str, int]:
        """The same, with the image's columns walked as rows; rows lie in the bytes of one."""
        return self._fields(1)

    def _fields(self, y: int) -> dict[str, int]:
        """With the image's axis ``y`` walked from row to row, and the other along each."""
        x = 1 - y
        sizes = self.height, self.width
        pitches = (self.width + self.gap) * self.channels, self.channels
        steps = [step * (count > 1) for step, count in zip(self.stride, self.outputs, strict=True)]
        taps = [step * (count > 1) for step, count in zip(self.dilation, self.taps, strict=True)]
        return {
            "height": sizes[y],
            "row_pitch": sizes[x] * pitches[x],
            "tap_rows": self.taps[y],
            "tap_columns": self.taps[x],
            "row0": -self.before[y],
            "position0": -self.before[x] * pitches[x],
            "row_step": steps[y],
            "row_step_bytes": steps[y] * pitches[y],
            "column_step": steps[x] * pitches[x],
            "tap_row_step": taps[y],
            "tap_row_bytes": taps[y] * pitches[y],
            "tap_column_step": taps[x] * pitches[x],
            "out_width": self.outputs[x],
            "pixels": self.outputs[0] * self.outputs[1],
        }


def against(opcode: Opcode, fields: Mapping[str, int]) -> str:
    """Why an instruction cannot hold such fields; empty if it can."""
    for name, value in fields.items():
        low, high = limits(opcode, name)
        if not low <= value <= high:
            return f"{opcode.name}.{name} must be in [{low}, {high}], not {value}"
    return ""


def largest(opcode: Opcode, name: str) -> int:
    """The largest value of a field."""
    return limits(opcode, name)[1]
