"""How a host starts an overlay and awaits its end, through the control register."""

from __future__ import annotations

import time
from typing import Protocol

from boards.runtime.link import HostError
from hw.isa.register_map import REGISTERS, Control

CONTROL = REGISTERS["control"].offset
TIMEOUT_S = 10.0


class Registers(Protocol):
    """Access to registers of 32 bits."""

    def read_register(self, offset: int) -> int:
        """The value of one."""

    def write_register(self, offset: int, word: int) -> None:
        """Sets one."""


class Handshake:
    """For links whose driver leaves the control register to the host.

    Parameters
    ----------
    registers : of the overlay.
    """

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    def run(self) -> None:
        """Starts a run and waits for its end; one that is late is aborted."""
        self.make_idle()
        self._registers.write_register(CONTROL, 1 << Control.START)
        if not self._await(Control.DONE):
            self._registers.write_register(CONTROL, 1 << Control.ABORT)
            raise HostError(f"the run did not end within {TIMEOUT_S:g} s")

    def make_idle(self) -> None:
        """Ends what a host before this one may have left: a run, or an end that nobody read."""
        if self._await(Control.IDLE):
            return
        self._registers.write_register(CONTROL, 1 << Control.ABORT)
        if not self._await(Control.IDLE):
            raise HostError(
                "the overlay is busy and does not end its run: reset the card or load its bitstream"
            )

    def _await(self, bit: Control) -> bool:
        """Whether a bit of the control register shows in time; reading it clears done."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self._registers.read_register(CONTROL) >> bit & 1:
            if time.monotonic() > deadline:
                return False
        return True
