"""The choice of what processing elements are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hw.conv.array.dsp48 import Above, DspElement
from hw.conv.array.element import Element
from hw.conv.array.mult18 import MultElement
from hw.lib.emit import Shared

NAMES = ("behavioural", "dsp48e2", "mult18x18d")


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """What processing elements are made of; results and timing do not depend on it.

    Parameters
    ----------
    name : "behavioural", for simulation and any device, "dsp48e2" or "mult18x18d".
    cascade : dsp48e2: rows whose sums stay on the dedicated wires of one DSP column before they
        hop over the fabric to another; 0: all rows of a column.
    borders : columns with which a further die begins, where the array crosses into one; none named:
        dies share the columns equally.
    """

    name: str = "behavioural"
    cascade: int = 0
    borders: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"primitive must be one of {', '.join(NAMES)}, not {self.name!r}")
        if not isinstance(self.cascade, int) or self.cascade < 0:
            raise ValueError(f"cascade must be a number of rows, not {self.cascade!r}")
        if self.cascade and not self.cascades:
            raise ValueError(f"{self.name} elements have no cascade")

    def dies(self, columns: int, crossings: int) -> list[int]:
        """The die of each column, counted from that of column 0."""
        borders = self.borders or [columns * k // (crossings + 1) for k in range(1, crossings + 1)]
        if len(borders) != crossings or list(borders) != sorted({*borders} - {0, columns}):
            raise ValueError(
                f"{columns} columns with {crossings} crossings cannot have borders {borders}"
            )
        return [sum(border <= column for border in borders) for column in range(columns)]

    @property
    def cascades(self) -> bool:
        """Elements have the ports ``i_cascade`` and ``o_cascade``."""
        return self.name == "dsp48e2"

    def element(self, row: int, *, lanes: int, accumulator_bits: int, operand_bits: int = 8) -> Any:
        """The element of a row of a column."""
        size = {
            "lanes": lanes,
            "accumulator_bits": accumulator_bits,
            "operand_bits": operand_bits,
        }
        name = f"element_{lanes}_{accumulator_bits}_{operand_bits}"
        if self.name == "mult18x18d":
            return Shared(MultElement(**size), f"{name}_mult")
        if not self.cascades:
            return Shared(Element(**size), name)
        above = self._above(row)
        return Shared(DspElement(**size, above=above), f"{name}_dsp_{above.value}")

    def _above(self, row: int) -> Above:
        if row == 0:
            return Above.NOTHING
        return Above.FABRIC if self.cascade and row % self.cascade == 0 else Above.CASCADE


BEHAVIOURAL = Primitive()

_SUITED = {
    "ultrascale": "dsp48e2",
    "ultrascaleplus": "dsp48e2",
    "ecp5": "mult18x18d",
}
"""Names by the families of Amaranth's platforms."""


def suited(platform: Any) -> Primitive:
    """What PEs are made of on a platform of Amaranth; behavioural if it is none that is known."""
    return Primitive(name=_SUITED.get(getattr(platform, "family", ""), "behavioural"))
