"""The walk of weight-stationary kn2row: how many places a chunk has, and what is skipped."""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.instruction import Instruction
from hw.isa.config import OverlayConfig


@dataclass(frozen=True)
class TapAxis:
    """Positions of a tap along one axis of the image, of which those in [0, extent) are inside."""

    first: int
    step: int
    extent: int

    def skipped(self, count: int) -> int:
        """Of ``count`` positions, those before the image; the last one is never skipped."""
        if self.first >= 0:
            return 0
        return min(-(self.first // self.step), count - 1)

    def places(self, count: int) -> int:
        """Of ``count`` positions, those that are walked: 0 if none is inside."""
        skipped = self.skipped(count)
        first = self.first + skipped * self.step
        if not 0 <= first < self.extent:
            return 0
        return min(count - skipped, -(-(self.extent - first) // self.step))


@dataclass(frozen=True, kw_only=True)
class TapWalk:
    """`hw.conv.feed.tap_walk.TapWalker`: fields as the instruction's."""

    row0: int
    position0: int
    height: int
    row_pitch: int
    row_step: int
    column_step: int
    tap_row_step: int
    tap_columns: int
    tap_column_step: int
    run_words: int
    out_width: int
    word_bytes: int

    @classmethod
    def of(cls, instruction: Instruction, config: OverlayConfig) -> TapWalk:
        names = [name for name in cls.__dataclass_fields__ if name != "word_bytes"]
        fields = {name: instruction.field(name) for name in names}
        return cls(**fields, word_bytes=config.reduction)

    def chunk(self, number: int, first_pixel: int, pixels: int) -> tuple[int, int]:
        """Steps without a place before it, and places, of a chunk that leaves out pixels."""
        tap, word = divmod(number, self.run_words)
        tap_row, tap_column = divmod(tap, self.tap_columns)
        # A single position has no step.
        rows = TapAxis(
            self.row0 + first_pixel // self.out_width * self.row_step + tap_row * self.tap_row_step,
            self.row_step or 1,
            self.height,
        )
        columns = TapAxis(
            self.position0 + tap_column * self.tap_column_step + word * self.word_bytes,
            self.column_step or 1,
            self.row_pitch,
        )
        height = pixels // self.out_width
        skipped = max(rows.skipped(height), columns.skipped(self.out_width))
        return skipped, max(1, rows.places(height) * columns.places(self.out_width))
