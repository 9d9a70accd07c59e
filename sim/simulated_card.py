"""An overlay in simulation, as a host of cards sees it."""

from __future__ import annotations

from collections.abc import Mapping

from boards.runtime.setup import INPUT, OUTPUT
from hw.isa.config import ISA_VERSION, OverlayConfig
from hw.isa.register_map import REGISTERS
from sim.fast.simulated_run import Job, Run
from sim.runner import FastSimulation

_SPACING = 1 << 40  # between regions, whose places are the harness' own


class SimulatedCard:
    """Keeps what a host writes; simulates each run, from reset on, when it is asked for.

    Parameters
    ----------
    simulation : the overlay with the C++ harness.
    config : its parameters.
    """

    def __init__(self, simulation: FastSimulation, config: OverlayConfig) -> None:
        self._simulation = simulation
        self._identity = {"isa_version": ISA_VERSION, "configuration": config.hash}
        self._names: dict[int, str] = {}
        self._contents: dict[str, bytes] = {}
        self._words: dict[int, int] = {}

    def make_idle(self) -> None:
        """A reset comes before each run."""

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        """What the overlay is; other registers are those of a run."""
        return {name: self._identity[name] for name in names if name in self._identity}

    def place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Addresses by which the regions are told apart."""
        self._names = {number * _SPACING: name for number, name in enumerate(sizes)}
        self._contents = {}
        return {name: address for address, name in self._names.items()}

    def write(self, address: int, data: bytes) -> None:
        """A region."""
        self._contents[self._names[address]] = data

    def write_register(self, offset: int, word: int) -> None:
        """A 32-bit register."""
        self._words[offset] = word

    def run(self, output: int, size: int) -> Run:
        """Simulates the program on what lies in the regions."""
        kept = (INPUT, OUTPUT)
        job = Job(
            regions={name: data for name, data in self._contents.items() if name not in kept},
            inputs=[self._contents[INPUT]],
            output_bytes=size,
            cycle_limit=self._register("cycle_limit"),
            watchdog=self._register("watchdog"),
        )
        (run,) = self._simulation.run(job)
        return run

    def _register(self, name: str) -> int:
        register = REGISTERS[name]
        words = (self._words[register.offset + 4 * k] << 32 * k for k in range(register.words))
        return sum(words)
