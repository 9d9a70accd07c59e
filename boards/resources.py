"""What an overlay takes of a device, as an estimate, and whether a board has it."""

from __future__ import annotations

from dataclasses import dataclass

from boards.board import Board, BoardError

FLIP_FLOPS_PER_LUT = 2  # of a logic block of UltraScale and UltraScale+


class ResourceError(BoardError):
    """An overlay does not fit: ``bound``, what it ``needed`` and what is ``available``."""

    def __init__(self, message: str, *, bound: str, needed: int, available: int) -> None:
        super().__init__(message)
        self.bound = bound
        self.needed = needed
        self.available = available


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Counts of primitives; block RAM in halves of 18 kbit.

    LUTs include those that serve as memory and shift registers.
    """

    dsp: int = 0
    bram18: int = 0
    uram: int = 0
    lut: int = 0
    ff: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            dsp=self.dsp + other.dsp,
            bram18=self.bram18 + other.bram18,
            uram=self.uram + other.uram,
            lut=self.lut + other.lut,
            ff=self.ff + other.ff,
        )

    def __mul__(self, count: int) -> Resources:
        return Resources(
            dsp=self.dsp * count,
            bram18=self.bram18 * count,
            uram=self.uram * count,
            lut=self.lut * count,
            ff=self.ff * count,
        )

    @property
    def bram36(self) -> int:
        """Whole block RAMs."""
        return (self.bram18 + 1) // 2

    def to_json(self) -> dict[str, int]:
        """Counts by the names that boards use, and flip-flops."""
        return {name: getattr(self, name) for name in ("dsp", "bram36", "uram", "lut", "ff")}

    def fits(self, board: Board) -> bool:
        """Whether the board has that much."""
        return all(getattr(self, name) <= limit for name, limit in limits(board).items())


def limits(board: Board) -> dict[str, int]:
    """What a board has, flip-flops included."""
    return {**board.budget, "ff": FLIP_FLOPS_PER_LUT * board.lut}
