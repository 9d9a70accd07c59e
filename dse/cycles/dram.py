"""How fast the memory behind the AXI masters answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

FULL_RATE = 1024


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """What every model of the memory knows of it.

    Parameters
    ----------
    latency : cycles from an address to its first beat, and from a last beat to its response.
    rate : beats per ``FULL_RATE`` cycles and channel.
    outstanding : bursts that a channel accepts before it answers the first.
    """

    latency: int = 4
    rate: int = FULL_RATE
    outstanding: int = 32

    RANGES: ClassVar[Mapping[str, tuple[int, int]]] = {
        "latency": (0, 1 << 20),
        "rate": (1, FULL_RATE),
        "outstanding": (1, 1 << 10),
    }

    def __post_init__(self) -> None:
        for name, (low, high) in self.RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value!r}")


IDEAL = MemoryTiming()
