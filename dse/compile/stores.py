"""What grows while instructions are emitted: constants in DRAM and the parameter memory's ring."""

from __future__ import annotations

from collections.abc import Hashable

from dse.assembly.program_error import ProgramError

ALIGNMENT = 128  # of parameter records and of each stripe's weight segments


class Blob:
    """Bytes in DRAM in the making; equal keys share theirs.

    ``alignment``: of what each key adds.
    """

    def __init__(self, alignment: int = ALIGNMENT) -> None:
        self._alignment = alignment
        self._parts: list[bytes] = []
        self._offsets: dict[Hashable, int] = {}
        self._size = 0

    def offset(self, key: Hashable) -> int | None:
        """Where the bytes of ``key`` are, if they are there."""
        return self._offsets.get(key)

    def add(self, key: Hashable, data: bytes) -> int:
        """Append the bytes of ``key`` and return their offset."""
        offset = self._offsets[key] = self._size
        padding = -len(data) % self._alignment
        self._parts += [data, bytes(padding)]
        self._size += len(data) + padding
        return offset

    def bytes(self) -> bytes:
        """All of them."""
        return b"".join(self._parts)


class ParameterRing:
    """The parameter memory: records are put one behind the other, from the start again at the end.

    Whoever was there before is forgotten; that its reader is done is a matter of tokens.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._next = 0
        self._resident: dict[Hashable, range] = {}

    def find(self, key: Hashable) -> int | None:
        """The first record of ``key``, if it is still there."""
        found = self._resident.get(key)
        return None if found is None else found.start

    def place(self, key: Hashable, layer: str, records: int) -> int:
        """Room for the records of ``key``; its first record."""
        if records > self._depth:
            raise ProgramError(
                f"layer {layer!r} needs {records} parameter records, the overlay has "
                f"{self._depth}: raise parameter_depth"
            )
        first = self._next if self._next + records <= self._depth else 0
        room = range(first, first + records)
        self._resident = {
            other: taken
            for other, taken in self._resident.items()
            if taken.stop <= room.start or room.stop <= taken.start
        }
        self._resident[key] = room
        self._next = room.stop
        return first
