"""What the memory and the registers of an overlay hold before a run, in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dse.assembly.program import Program
from hw.isa import Base
from hw.isa.register_map import run_settings

INPUT, OUTPUT = Base.INPUT.name.lower(), Base.OUTPUT.name.lower()
WATCHDOG_CYCLES = 1 << 24
FILL = 0x55  # what hosts of cards leave in the output region before a run


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One program, ready for any number of images.

    Members
    -------
    regions : contents of memory that stays, by the register of the base address.  "program" starts
        with the first instruction: the file's header stays on the host.
    input_bytes, output_bytes : sizes of the two other regions.
    cycle_limit : cycles after which the overlay ends a run; 0: none.
    watchdog : cycles without progress, or None for the register's reset value.
    fill : the byte that the output region holds before a run, or None: whatever is there.
    identity : registers by which an overlay tells that the program is for it, and their values.
    """

    regions: Mapping[str, bytes]
    input_bytes: int
    output_bytes: int
    cycle_limit: int = 0
    watchdog: int | None = None
    fill: int | None = None
    identity: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Program) -> Setup:
        """What a card needs to run a compiled program."""
        manifest = program.manifest
        return cls(
            regions=program.regions,
            input_bytes=manifest.input_bytes,
            output_bytes=manifest.output_bytes,
            cycle_limit=manifest.cycle_limit,
            watchdog=WATCHDOG_CYCLES,
            fill=FILL,
            identity={
                "isa_version": manifest.isa_version,
                "configuration": manifest.configuration_hash,
            },
        )

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of all regions, by the register of the base address."""
        return {
            **{name: len(data) for name, data in self.regions.items()},
            INPUT: self.input_bytes,
            OUTPUT: self.output_bytes,
        }

    def settings(self, addresses: Mapping[str, int]) -> dict[str, int]:
        """Registers and their values, for regions at these addresses, in the order of writing."""
        watchdog = {} if self.watchdog is None else {"watchdog": self.watchdog}
        return {**run_settings(addresses, self.sizes, self.cycle_limit), **watchdog}
