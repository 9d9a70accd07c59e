"""The register map, once: gateware, host code and documentation derive from it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.lib import data

from hw.isa import Base
from hw.isa.config import MAX_WEIGHT_PORTS

MAP_ADDRESS_BITS = 12
COUNTED_ENGINES = ("load", "conv", "pool", "store", "weights")
STALLS = ("activations", "weights", "output", "tokens")
WEIGHT_BASES = tuple(f"weights{port}" for port in range(MAX_WEIGHT_PORTS))
SIZES = {base.name.lower(): f"{base.name.lower()}_bytes" for base in Base} | {
    WEIGHT_BASES[0]: "weights_bytes"  # all stripes are of one size
}
REGIONS = (*(base.name.lower() for base in Base), *WEIGHT_BASES, *SIZES.values())
"""Registers of where the regions in DRAM are, and of their bytes."""
UNLIMITED = (1 << 64) - 1


class Access(enum.Enum):
    """What the host may do with a register."""

    CONTROL = "control bits, each with its own rule"
    TOGGLE = "read; writing a one toggles that bit"
    READ_WRITE = "read and write"
    READ_ONLY = "read"


@dataclass(frozen=True, kw_only=True)
class Register:
    """One register of the map; 64-bit ones take two words, the low one first.

    Parameters
    ----------
    offset : byte address of its (low) word.
    access : what the host may do.
    width : 32 or 64.
    text : what it means.
    reset : its value after reset, unless the overlay's configuration gives one.
    """

    offset: int
    access: Access
    text: str
    width: int = 32
    reset: int = 0

    @property
    def words(self) -> int:
        """32-bit words that it takes."""
        return self.width // 32


class Control(enum.IntEnum):
    """Bits of the control register, as XRT's ap_ctrl_hs has them (no auto-restart), and ABORT."""

    START = 0  # write one to start; reads one until the run has ended
    DONE = 1  # a run has ended, with or without an error; cleared by reading and by a start
    IDLE = 2  # nothing runs, the buses are quiet, no start is pending
    READY = 3  # as DONE
    ABORT = 5  # write one to end the run that is asked for or under way; reads zero


class Status(enum.IntEnum):
    """Bits of the status register."""

    RUNNING = 0
    ERROR = 1  # the last run ended with an error
    DRAINING = 2  # the run has ended, bus transfers under way are being completed


def _registers() -> dict[str, Register]:
    registers = {
        "control": Register(
            offset=0x00,
            access=Access.CONTROL,
            text="bit 0 start, 1 done (cleared by reading and by a start), 2 idle, 3 ready (as "
            "done), 5 abort",
        ),
        "global_interrupt_enable": Register(
            offset=0x04, access=Access.READ_WRITE, text="bit 0 enables the interrupt output"
        ),
        "interrupt_enable": Register(
            offset=0x08, access=Access.READ_WRITE, text="bit 0 on done, bit 1 on ready"
        ),
        "interrupt_status": Register(
            offset=0x0C, access=Access.TOGGLE, text="bit 0 done, bit 1 ready; write one to toggle"
        ),
        "watchdog": Register(
            offset=0x40,
            access=Access.READ_WRITE,
            text="cycles without progress before a run ends with an error; 0: never",
        ),
    }
    for base in Base:
        registers[base.name.lower()] = Register(
            offset=0x10 + 0x0C * base,
            access=Access.READ_WRITE,
            width=64,
            text=f"base address of {base.name.lower()} in DRAM",
        )
    for port, name in enumerate(WEIGHT_BASES):
        registers[name] = Register(
            offset=0x44 + 0x0C * port,
            access=Access.READ_WRITE,
            width=64,
            text=f"base address of the weights' stripe {port} in DRAM",
        )
    registers["cycle_limit"] = Register(
        offset=0x100,
        access=Access.READ_WRITE,
        width=64,
        text="cycles after which a run ends with an error; 0: never",
    )
    for number, (region, name) in enumerate(SIZES.items()):
        what = "each of the weights' stripes" if region in WEIGHT_BASES else region
        registers[name] = Register(
            offset=0x10C + 0x0C * number,
            access=Access.READ_WRITE,
            width=64,
            text=f"bytes of {what}: an access beyond ends the run with an error",
            reset=UNLIMITED,
        )
    read_only = {
        "status": (0x80, "bit 0 running, 1 the last run ended with an error, 2 draining"),
        "error": (0x84, "code of the last run's first error, see hw.isa.Error"),
        "error_tag": (0x88, "tag of the instruction that failed"),
        "isa_version": (0x8C, "version of the instruction set"),
        "configuration": (0x90, "configuration hash that programs must carry"),
        "cycles": (0x94, "cycles of the last run, 64 bits"),
    }
    for number, engine in enumerate(COUNTED_ENGINES):
        read_only[f"busy_{engine}"] = (
            0xA0 + 4 * number,
            f"cycles of the last run in which {engine.upper()} had an instruction under way",
        )
    for number, stall in enumerate(STALLS):
        read_only[f"stall_{stall}"] = (
            0xB4 + 4 * number,
            f"cycles of the last run in which CONV waited for {stall}",
        )
    for name, (offset, text) in read_only.items():
        registers[name] = Register(
            offset=offset,
            access=Access.READ_ONLY,
            width=64 if name == "cycles" else 32,
            text=text,
        )
    return dict(sorted(registers.items(), key=lambda item: item[1].offset))


REGISTERS: dict[str, Register] = _registers()


def layout(access: Access) -> data.StructLayout:
    """The values of all registers of one access kind, by name."""
    return data.StructLayout({name: r.width for name, r in REGISTERS.items() if r.access is access})


def run_settings(
    addresses: Mapping[str, int], sizes: Mapping[str, int], cycle_limit: int
) -> dict[str, int]:
    """What a host writes before a run: where the regions are, their bytes, and the run's limit."""
    bounds = {SIZES[region]: size for region, size in sizes.items() if region in SIZES}
    return {**addresses, **bounds, "cycle_limit": cycle_limit}


def words(values: Mapping[str, int]) -> dict[int, int]:
    """Offsets and 32-bit words of registers given by name."""
    return {
        REGISTERS[name].offset + 4 * word: value >> 32 * word & 0xFFFFFFFF
        for name, value in values.items()
        for word in range(REGISTERS[name].words)
    }
