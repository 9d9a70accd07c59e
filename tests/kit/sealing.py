"""Programs of tests end with their checksum, as the compiler's do."""

from __future__ import annotations

from hw.isa import INSTRUCTION_BYTES
from hw.isa.checksum import CHECKSUM_AT, CHECKSUM_BITS, checksum


def sealed(words: bytes) -> bytes:
    """The program with its checksum; ``words`` ends with END."""
    place = len(words) - INSTRUCTION_BYTES + CHECKSUM_AT
    value = checksum(words).to_bytes(CHECKSUM_BITS // 8, "little")
    return words[:place] + value + words[place + len(value) :]
