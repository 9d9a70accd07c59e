"""What a POOL with ``depthwise`` does to bytes, by ``hw.isa`` alone."""

from __future__ import annotations

import numpy as np

from dse.assembly.instruction import Instruction
from hw.isa.config import DEPTHWISE_BLOCKS, DEPTHWISE_ROWS, PARAMETER_BYTES, OverlayConfig
from sim.functional_datapath import finished, looked_up, unpack
from sim.functional_taps import Bytes, FunctionalError, Int64s, TapPlaces


def depthwise_results(
    instruction: Instruction,
    tensor: Bytes,
    behind: Bytes,
    table: Bytes | None,
    config: OverlayConfig,
) -> Int64s:
    """The int8 results, [pixels, channels]; ``behind``: the records from the first row on."""
    if not config.depthwise:
        raise FunctionalError("an instruction needs multipliers that the overlay does not have")
    f = instruction.field
    values, _ = TapPlaces.of(instruction).spread(f("channels")).read(instruction, tensor)
    weights = _weights(instruction, behind, config)
    sums = np.einsum("prkc,rkc->pc", values.astype(np.int64), weights)
    channel = np.arange(f("channels"))
    block = (f("parameters") + channel // config.pool_channels) % DEPTHWISE_BLOCKS
    first = DEPTHWISE_ROWS * config.depthwise_row_records
    place = first + block * config.depthwise_block_records + channel % config.pool_channels
    records = unpack(behind[place])
    results = finished(sums + records["bias"], records)
    return results if table is None else looked_up(table, results)


def _weights(instruction: Instruction, behind: Bytes, config: OverlayConfig) -> Int64s:
    """[row, column, channel] of the kernel."""
    f = instruction.field
    rows, columns, channels = f("tap_rows"), f("tap_columns"), f("channels")
    size = config.depthwise_weight_bytes
    per_row = config.depthwise_row_records
    lanes = per_row * PARAMETER_BYTES // size
    bank = behind[: DEPTHWISE_ROWS * per_row].reshape(DEPTHWISE_ROWS, lanes, size)
    y, x, channel = np.ogrid[:rows, :columns, :channels]
    if f("window_groups"):
        within, byte = x // config.depthwise * rows + y, x % config.depthwise
        block_rows = rows * f("passes")
    else:
        within, byte = x * rows + y, 0 * x
        block_rows = rows * columns
    block, lane = np.divmod(channel, config.pool_channels)
    row = (f("weights") + block * block_rows + within) % DEPTHWISE_ROWS
    return bank[row, lane, byte].view(np.int8).astype(np.int64)
