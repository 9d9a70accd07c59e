"""Depthwise weights and records: where they are in the pooling engine, and what brings them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from dse.assembly.instruction import Action
from dse.assembly.region import Memory, Region
from dse.compile.movement import load_parameters
from dse.compile.stores import Blob, ParameterRing
from hw.isa.config import DEPTHWISE_BLOCKS, DEPTHWISE_ROWS, OverlayConfig


@dataclass(frozen=True)
class LaneConstants:
    """Of a POOL: its first row of weights, its first block of records, and how many of each."""

    row: int
    rows: int
    block: int
    blocks: int


class DepthwiseRing:
    """Rows and blocks, put one behind the other; what is still there is not loaded again."""

    def __init__(self, config: OverlayConfig, parameters: Blob) -> None:
        self._config = config
        self._parameters = parameters
        self._rows = ParameterRing(DEPTHWISE_ROWS)
        self._blocks = ParameterRing(DEPTHWISE_BLOCKS)

    def rows(
        self, key: Hashable, layer: str, count: int, made: Callable[[], bytes]
    ) -> tuple[list[Action], int]:
        """The LOAD of rows of weights, unless they are there, and the first of them."""
        first, size = self._config.depthwise_weights, self._config.depthwise_row_records
        return self._placed(self._rows, ("rows", key), layer, count, made, first, size)

    def blocks(
        self, key: Hashable, layer: str, count: int, made: Callable[[], bytes]
    ) -> tuple[list[Action], int]:
        """The LOAD of blocks of records, unless they are there, and the first of them."""
        first, size = self._config.depthwise_records, self._config.depthwise_block_records
        return self._placed(self._blocks, ("blocks", key), layer, count, made, first, size)

    def reads(self, constants: LaneConstants) -> tuple[Region, ...]:
        """What a POOL reads of them."""
        config = self._config
        row, block = config.depthwise_row_records, config.depthwise_block_records
        rows = config.depthwise_weights + constants.row * row, constants.rows * row
        blocks = config.depthwise_records + constants.block * block, constants.blocks * block
        return Region(Memory.PARAMETER, *rows), Region(Memory.PARAMETER, *blocks)

    def _placed(
        self,
        ring: ParameterRing,
        key: Hashable,
        layer: str,
        count: int,
        made: Callable[[], bytes],
        base: int,
        size: int,
    ) -> tuple[list[Action], int]:
        first = ring.find(key)
        if first is not None:
            return [], first
        offset = self._parameters.offset(key)
        if offset is None:
            offset = self._parameters.add(key, made())
        first = ring.place(key, layer, count)
        return [load_parameters(layer, offset, base + first * size, count * size)], first
