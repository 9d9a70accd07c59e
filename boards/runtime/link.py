"""What a host needs of whatever lies between it and an overlay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hw.isa.errors import FAILURE, PolymapError

RunT = TypeVar("RunT", covariant=True)


class HostError(PolymapError, RuntimeError):
    """A run that cannot start, or that did not end well: of a card, its driver, or the overlay."""

    exit_code = FAILURE


class Link(Protocol[RunT]):
    """A way to an overlay and its memory.

    A card does everything at once.  A simulation may write down what it is told and do it later.
    """

    def make_idle(self) -> None:
        """Ends what a host before this one may have left."""

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        """Registers of 32 bits by name; those that cannot be read now are missing."""

    def place(self, sizes: Mapping[str, int]) -> Mapping[str, int]:
        """Addresses for regions of these sizes, by the register of the base address."""

    def write(self, address: int, data: bytes) -> None:
        """Memory, from the start of a region on."""

    def write_register(self, offset: int, word: int) -> None:
        """A register of 32 bits, or a half of one of 64."""

    def run(self, output: int, size: int) -> RunT:
        """Starts the program and waits for its end; what it leaves: OUTPUT is at ``output``."""


class Ended(Protocol):
    """What a run left."""

    @property
    def output(self) -> bytes:
        """Contents of the output region."""

    @property
    def registers(self) -> Mapping[str, int]:
        """Registers by name, as far as the link reads them."""


@dataclass(frozen=True, kw_only=True)
class CardRun:
    """What a run on a card left; ``registers``: of `REPORT`, or none."""

    output: bytes
    registers: Mapping[str, int]


REPORT = ("status", "error", "error_tag", "cycles")
"""The registers that say how a run ended; of the cycles the low word."""
