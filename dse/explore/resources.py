"""What an overlay takes of a device, as counts of its primitives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


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

    @classmethod
    def total(cls, parts: Iterable[Resources]) -> Resources:
        """The sum of some parts."""
        return sum(parts, cls())

    @property
    def bram36(self) -> int:
        """Whole block RAMs."""
        return (self.bram18 + 1) // 2

    def to_json(self) -> dict[str, int]:
        """Counts by the names that boards use, and flip-flops."""
        return {name: getattr(self, name) for name in ("dsp", "bram36", "uram", "lut", "ff")}

    def within(self, limits: Mapping[str, int]) -> bool:
        """Whether none of the limits, by those names, is exceeded."""
        return all(getattr(self, name) <= limit for name, limit in limits.items())
