"""Jobs for the C++ harness, and what a run of one reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from boards.runtime.setup import Setup
from dse.cycles.dram import MemoryTiming
from hw.isa import Engine, Error

EVENT = np.dtype(
    [("cycle", "<u8"), ("run", "<u4"), ("engine", "u1"), ("retire", "u1"), ("tag", "<u2")]
)


CHANNELS = ("read0", "read1", "write0")
SLVERR, DECERR = 2, 3


@dataclass(frozen=True, kw_only=True)
class Timing(MemoryTiming):
    """How the memory behaves, beside its speed; ``None`` is never.

    Parameters
    ----------
    stall : percent of cycles in which a channel does not move, at random.
    seed : of the stalls.
    hang_at, hang_for : nothing moves for so many cycles from that cycle of the run on.
    error_read0, error_read1, error_write : the run's n-th burst of ``gmem0``, of each weight port,
        or of writes gets an error response.
    error_response : SLVERR (2) or DECERR (3).
    error_beat : first beat of a read burst with it; the last, if the burst is shorter.
    error_port : the one weight port of ``error_read1``, from 0 on; ``None`` is each.
    """

    stall: int = 0
    seed: int = 1
    hang_at: int | None = None
    hang_for: int = 0
    error_read0: int | None = None
    error_read1: int | None = None
    error_write: int | None = None
    error_response: int = SLVERR
    error_beat: int = 0
    error_port: int | None = None

    RANGES: ClassVar[Mapping[str, tuple[int, int]]] = {
        **MemoryTiming.RANGES,
        "stall": (0, 99),
        "error_response": (SLVERR, DECERR),
    }


IDEAL = Timing()
DDR = Timing(latency=80, rate=870)  # a 64-byte port at 300 MHz on DDR4-2400, 85 % efficient


@dataclass(frozen=True, kw_only=True)
class Dump:
    """A region of the tensor memory to copy once engines have ``retired`` so many instructions.

    The copy has ``pixels`` rows of ``channels`` bytes, ``pitch`` bytes apart.
    """

    retired: Mapping[Engine, int]
    address: int
    pitch: int
    channels: int
    pixels: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program and the images it runs on.

    Parameters
    ----------
    regions : contents of memory that stays, by the name of its base register.
    inputs : contents of the input region, one for each run.
    output_bytes : size of the output region.
    dumps : what to copy from the tensor memory in every run.
    timing : of the memory.
    watchdog : cycles, or None for the register's reset value.
    cycle_limit : cycles after which the overlay ends a run; 0: none.
    limit : cycles after which a run counts as hung.
    cut : cycles after which the reset pin ends a run that comes before all others and is not
        reported; registers are then written again.
    """

    regions: Mapping[str, bytes]
    inputs: Sequence[bytes]
    output_bytes: int
    dumps: Sequence[Dump] = ()
    timing: Timing = IDEAL
    watchdog: int | None = None
    cycle_limit: int = 0
    limit: int = 1 << 32
    cut: int | None = None

    def with_program(self, program: bytes) -> Job:
        """The job with other instructions."""
        return replace(self, regions={**self.regions, "program": program})

    @property
    def setup(self) -> Setup:
        """What the host does before the first run."""
        return Setup(
            regions=self.regions,
            input_bytes=max((len(data) for data in self.inputs), default=0),
            output_bytes=self.output_bytes,
            cycle_limit=self.cycle_limit,
            watchdog=self.watchdog,
        )

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of all regions, by the name of their base register."""
        return self.setup.sizes


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of a job did.

    Parameters
    ----------
    output : contents of the output region.
    dumps : for each of the job's dumps pixels x channels of int8, or None if it did not happen.
    events : starts and retirements of instructions (``EVENT``), in order.
    registers : all registers after the run, by name.
    beats, bursts : data beats moved, and addresses taken, by ``gmem0``'s reads (read0), each weight
        port (read1) and writes (write0).
    """

    output: bytes
    dumps: Sequence[np.ndarray | None]
    events: np.ndarray
    registers: dict[str, int]
    beats: dict[str, int]
    bursts: dict[str, int]

    @property
    def cycles(self) -> int:
        """The hardware's own count."""
        return self.registers["cycles"]

    @property
    def error(self) -> Error:
        """Code of the error register."""
        return Error(self.registers["error"])

    @property
    def error_tag(self) -> int:
        """Tag of the instruction that failed."""
        return self.registers["error_tag"]
