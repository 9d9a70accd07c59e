"""Activation tables: which of the overlay's places each one takes, and the LOAD that brings it."""

from __future__ import annotations

from dataclasses import replace

from dse.assembly.instruction import Action
from dse.assembly.program_error import ProgramError
from dse.assembly.region import Memory, Region
from dse.compile.movement import load_parameters
from dse.compile.stores import Blob, ParameterRing
from hw.isa.config import TABLE_RECORDS, OverlayConfig


class TableRing:
    """The overlay's tables; equal ones share a place, and their bytes in DRAM."""

    def __init__(self, config: OverlayConfig, parameters: Blob) -> None:
        self._ring = ParameterRing(TABLE_RECORDS * config.tables)
        self._behind = config.parameter_depth
        self._none = config.tables == 0
        self._parameters = parameters

    def place(self, layer: str, entries: bytes) -> tuple[list[Action], int]:
        """The LOAD of a table, unless it is still there, and its number; 0: no table."""
        if not entries:
            return [], 0
        if self._none:
            raise ProgramError(
                f"layer {layer!r} applies an activation table, the overlay has none: raise tables"
            )
        first = self._ring.find(entries)
        if first is not None:
            return [], self._number(first)
        offset = self._parameters.offset(entries)
        if offset is None:
            offset = self._parameters.add(entries, entries)
        first = self._ring.place(entries, layer, TABLE_RECORDS)
        action = load_parameters(layer, offset, self._behind + first, TABLE_RECORDS)
        return [action], self._number(first)

    def applied(self, action: Action, number: int) -> Action:
        """The instruction that applies a table; with 0 as it is."""
        if number == 0:
            return action
        first = self._behind + (number - 1) * TABLE_RECORDS
        reads = (*action.reads, Region(Memory.PARAMETER, first, TABLE_RECORDS))
        return replace(action.with_fields(table=number), reads=reads)

    def _number(self, first: int) -> int:
        return 1 + first // TABLE_RECORDS
