"""How a host starts an overlay and awaits its end, through the control register."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from boards.runtime.link import REPORT, CardRun, HostError
from hw.isa.register_map import REGISTERS, Control

CONTROL = REGISTERS["control"].offset
TIMEOUT_S = 10.0


class Handshake(ABC):
    """What links have in common whose driver leaves the control register to the host."""

    @abstractmethod
    def read(self, address: int, size: int) -> bytes:
        """Memory."""

    @abstractmethod
    def read_register(self, offset: int) -> int:
        """A register of 32 bits."""

    @abstractmethod
    def write_register(self, offset: int, word: int) -> None:
        """A register of 32 bits, or a half of one of 64."""

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        """Registers of 32 bits by name."""
        return {name: self.read_register(REGISTERS[name].offset) for name in names}

    def run(self, output: int, size: int) -> CardRun:
        """Starts the program, waits for its end and reads what it left; aborts one that is late."""
        self.make_idle()
        self.write_register(CONTROL, 1 << Control.START)
        if not self._await(Control.DONE):
            self.write_register(CONTROL, 1 << Control.ABORT)
            raise HostError(f"the run did not end within {TIMEOUT_S:g} s")
        return CardRun(registers=self.read_registers(REPORT), output=self.read(output, size))

    def make_idle(self) -> None:
        """Ends what a host before this one may have left: a run, or an end that nobody read."""
        if self._await(Control.IDLE):
            return
        self.write_register(CONTROL, 1 << Control.ABORT)
        if not self._await(Control.IDLE):
            raise HostError(
                "the overlay is busy and does not end its run: reset the card or load its bitstream"
            )

    def _await(self, bit: Control) -> bool:
        """Whether a bit of the control register shows in time; reading it clears done."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.read_register(CONTROL) >> bit & 1:
            if time.monotonic() > deadline:
                return False
        return True
