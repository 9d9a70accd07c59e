"""What host and bridge say to each other over a serial line; gateware and host code read it here.

A request is a head, the data of a write and a CRC-32 of both; an answer is a `Verdict`, the data of
a read and a CRC-32 of both.  Nothing is written before the request's CRC has been found right.
Numbers are little-endian.  One request at a time: the host waits for the answer.
"""

from __future__ import annotations

import enum

from amaranth.lib import data

WORD_BYTES = 4
MOST_WORDS = 256  # of a request
CRC_BYTES = 4
ADDRESS_BITS = 32


class Command(enum.IntEnum):
    """First byte of a request."""

    READ = 0x52
    WRITE = 0x57


class Verdict(enum.IntEnum):
    """First byte of an answer."""

    DONE = 0x00
    DAMAGED = 0x01  # the request's CRC was wrong: nothing was done
    UNKNOWN = 0x02  # no such command: nothing was done
    REFUSED = 0x03  # memory or overlay answered with an error: some words may have been written


class AddressSpace(enum.IntEnum):
    """The two highest bits of an address."""

    MEMORY = 0b00
    OVERLAY = 0b10  # its registers
    BRIDGE = 0b11  # the words of `Fact`, which can only be read


class Fact(enum.IntEnum):
    """Words by which a bridge tells what it is."""

    MAGIC = 0
    MEMORY_BYTES = 1
    CLOCK_HZ = 2


MAGIC = int.from_bytes(b"PMB1", "little")
"""polymap's bridge, first protocol."""

HEAD = data.StructLayout({"command": 8, "count": 8, "address": ADDRESS_BITS})
"""Head of a request; count: of words, less one; address: in bytes, of a whole word."""
HEAD_BYTES = HEAD.size // 8


def place(space: AddressSpace, offset: int) -> int:
    """The address of a byte in a space."""
    return space << (ADDRESS_BITS - 2) | offset
