"""The checksum that ends a program: CRC-32, computed by the compiler and checked by the overlay.

END carries the CRC-32 of all bytes before it and of its own head.  Zeros follow, so the CRC-32 of
a whole program is ``SEALED``, whatever the program: who checks needs no place to look for it.
"""

from __future__ import annotations

import zlib
from functools import cache

from hw.isa import END, INSTRUCTION_BYTES

CHECKSUM_BITS = 32
CHECKSUM_AT = END["checksum"].offset // 8  # byte of END
_TAIL = INSTRUCTION_BYTES - CHECKSUM_AT
SEALED = zlib.crc32(bytes(_TAIL))  # of no bytes: their checksum is 0, zeros follow

_ONES = (1 << CHECKSUM_BITS) - 1


def checksum(words: bytes) -> int:
    """What END must carry: ``words`` is the whole program, END with any checksum."""
    return zlib.crc32(words[:-_TAIL])


def is_sealed(words: bytes) -> bool:
    """Whether the program carries its checksum and nothing behind it."""
    return zlib.crc32(words) == SEALED


@cache
def step(size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How ``size`` bytes change the register of a CRC-32: masks of the bits to add up, modulo 2.

    For each bit of the next state: which bits of the state, and which bits of the data.
    """
    zeros = bytes(size)
    of_state = [_register(1 << bit, zeros) for bit in range(CHECKSUM_BITS)]
    of_data = [_register(0, (1 << bit).to_bytes(size, "little")) for bit in range(8 * size)]
    return _masks(of_state), _masks(of_data)


def _register(state: int, data: bytes) -> int:
    """The register behind ``data``; it holds the complement of what ``zlib`` takes and gives."""
    return _ONES ^ zlib.crc32(data, _ONES ^ state)


def _masks(columns: list[int]) -> tuple[int, ...]:
    """From what each input bit changes to what each output bit depends on."""
    return tuple(
        sum((column >> bit & 1) << number for number, column in enumerate(columns))
        for bit in range(CHECKSUM_BITS)
    )
