"""Regions of memory that instructions read and write: the ground that dependencies stand on."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Memory(enum.Enum):
    """The memories that instructions share; DRAM as far as the overlay writes it."""

    TENSOR = "tensor memory"
    PARAMETER = "parameter memory"
    OUTPUT = "output region in DRAM"


@dataclass(frozen=True, slots=True)
class Region:
    """``count`` pieces of ``length`` bytes (records), ``pitch`` apart, from ``start`` on."""

    memory: Memory
    start: int
    length: int
    pitch: int = 0
    count: int = 1

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.start + (self.count - 1) * self.pitch + self.length

    def overlaps(self, other: Region) -> bool:
        """Whether the two share a byte; may err towards True where the pitches differ."""
        if self.memory is not other.memory:
            return False
        if self.end <= other.start or other.end <= self.start:
            return False
        pitch = max(self.pitch, other.pitch)
        if pitch == 0 or (self.count > 1 and other.count > 1 and self.pitch != other.pitch):
            return True
        ahead = (other.start - self.start) % pitch
        return ahead < self.length or ahead + other.length > pitch


def strided(memory: Memory, start: int, length: int, pitch: int, count: int) -> Region:
    """A region whose pieces are merged where they touch."""
    if count == 1 or length == pitch:
        return Region(memory, start, (count - 1) * pitch + length)
    return Region(memory, start, length, pitch, count)
