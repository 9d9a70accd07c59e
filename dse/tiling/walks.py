"""What the instruction set can say of a window's walk over an image: the widths of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hw.isa import Opcode, limits


@dataclass(frozen=True, kw_only=True)
class ImageWalk:
    """A window over an image whose rows are contiguous, all its rows in memory.

    ``height``, ``width``, ``channels``: of the image. ``taps``, ``stride``, ``dilation``: (y, x).
    ``before``: padding (top, left). ``outputs``: (height, width) of the result.
    """

    height: int
    width: int
    channels: int
    taps: tuple[int, int]
    outputs: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)

    @property
    def transposed(self) -> dict[str, int]:
        """The same, with the image's columns walked as rows; rows lie in the bytes of one."""
        row = self.width * self.channels
        (down, right), (rows, columns) = self.dilation, self.taps
        return {
            "height": self.width,
            "row_pitch": self.height * row,
            "tap_rows": columns,
            "tap_columns": rows,
            "row0": -self.before[1],
            "position0": -self.before[0] * row,
            "column_step": self.stride[0] * row if self.outputs[0] > 1 else 0,
            "tap_row_bytes": right * self.channels,
            "tap_column_step": down * row if rows > 1 else 0,
            "out_width": self.outputs[0],
            "pixels": self.outputs[0] * self.outputs[1],
        }

    @property
    def fields(self) -> dict[str, int]:
        """Fields of CONV and POOL; steps that are never taken are zero."""
        (rows, columns), (down, right) = self.taps, self.stride
        row = self.width * self.channels
        down = down if self.outputs[0] > 1 else 0
        right = right if self.outputs[1] > 1 else 0
        tap_down = self.dilation[0] if rows > 1 else 0
        tap_right = self.dilation[1] if columns > 1 else 0
        return {
            "height": self.height,
            "row_pitch": row,
            "tap_rows": rows,
            "tap_columns": columns,
            "row0": -self.before[0],
            "position0": -self.before[1] * self.channels,
            "row_step": down,
            "row_step_bytes": down * row,
            "column_step": right * self.channels,
            "tap_row_step": tap_down,
            "tap_row_bytes": tap_down * row,
            "tap_column_step": tap_right * self.channels,
            "out_width": self.outputs[1],
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
