"""Cycles and reads of a pooling instruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.timing import GAIN_LATENCY, POOL_LATENCY
from hw.pool.pool_layouts import RING


@dataclass(frozen=True, kw_only=True)
class PoolCost:
    """What one instruction takes.

    Parameters
    ----------
    reads : words read from the tensor memory.
    cycles : from the instruction's transfer to ``o_done`` if memory grants every request at once.
    """

    reads: int
    cycles: int


def pool_cost(config: OverlayConfig, fields: Mapping[str, int]) -> PoolCost:
    """Cost of the POOL instruction with these fields; exact.

    A window reads its taps, one that slides the taps of its fresh columns. A read is a cycle, but
    a window that slides takes at least a cycle for each of its columns, unless it is a product.
    """
    rows, columns, width = fields["tap_rows"], fields["tap_columns"], fields["out_width"]
    fresh, measuring = _overlap(fields)
    reduces = fresh < columns and not fields.get("product")
    later = max(rows * fresh, columns) if reduces else rows * fresh
    lines = fields["pixels"] // width * ceil_div(fields["channels"], config.pool_channels)
    more = columns - 1 if reduces else 0
    latency = POOL_LATENCY + (GAIN_LATENCY if fields.get("normalise") else 0)
    return PoolCost(
        reads=lines * rows * (columns + (width - 1) * fresh),
        cycles=lines * (rows * columns + (width - 1) * later) + measuring + more + latency,
    )


def _overlap(fields: Mapping[str, int]) -> tuple[int, int]:
    """Fresh columns of a window, and the cycles in which ``Overlap`` finds them."""
    columns = fields["tap_columns"]
    if columns > RING or fields["out_width"] == 1:
        return columns, 1
    for fresh in range(1, columns):
        if fresh * fields["tap_column_step"] == fields["column_step"]:
            return fresh, fresh
    return columns, columns
