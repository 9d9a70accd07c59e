"""The functional model's numbers, and where the taps of a windowed instruction are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.assembly.instruction import Instruction

Bytes = npt.NDArray[np.uint8]
Int8s = npt.NDArray[np.int8]
Int64s = npt.NDArray[np.int64]


class FunctionalError(RuntimeError):
    """The program hangs or breaks a rule of the overlay."""


@dataclass(frozen=True)
class TapPlaces:
    """Where each pixel's taps are, [pixels, tap rows, tap columns]: row, address of its start,
    byte position in it."""

    row: Int64s
    start: Int64s
    position: Int64s

    @classmethod
    def of(cls, instruction: Instruction) -> TapPlaces:
        """The walk of a windowed instruction."""
        f = instruction.field
        pixel = np.arange(f("pixels"))[:, None, None]
        y, x = np.divmod(pixel, f("out_width"))
        ky = np.arange(f("tap_rows"))[:, None]
        kx = np.arange(f("tap_columns"))
        row = f("row0") + y * f("row_step") + ky * f("tap_row_step")
        start = f("address") + y * f("row_step_bytes") + ky * f("tap_row_bytes")
        position = f("position0") + x * f("column_step") + kx * f("tap_column_step")
        return cls(*np.broadcast_arrays(row, start, position))

    def spread(self, count: int) -> TapPlaces:
        """``count`` consecutive bytes of each tap, along a new last axis."""
        row, start, position = self.row[..., None], self.start[..., None], self.position[..., None]
        return TapPlaces(row, start, position + np.arange(count))

    def read(self, instruction: Instruction, tensor: Bytes) -> tuple[Int64s, npt.NDArray[np.bool_]]:
        """Values, the zero point outside the image, and which are inside."""
        f = instruction.field
        rows = (self.row >= 0) & (self.row < f("height"))
        inside = rows & (self.position >= 0) & (self.position < f("row_pitch"))
        value = tensor[(self.start + self.position) % tensor.size].view(np.int8)
        return np.where(inside, value, np.int8(f("zero_point"))).astype(np.int64), inside


def wrap(value: Int64s, bits: int) -> Int64s:
    """Two's complement of so many bits."""
    half = np.int64(1) << np.int64(bits - 1)
    return ((value + half) & ((np.int64(1) << np.int64(bits)) - 1)) - half
