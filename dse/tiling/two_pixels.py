"""Two pixels a word: poolings whose channels are half of the engine's lanes."""

from __future__ import annotations

from collections.abc import Mapping

from hw.isa.config import OverlayConfig
from hw.pool.cycles import pool_cost
from hw.pool.pool_layouts import RING

OTHERS = ("average", "product", "normalise", "depthwise")  # than maxima


def with_halves(fields: Mapping[str, int], config: OverlayConfig) -> dict[str, int]:
    """The fields of a POOL that reads two of a row's taps at once where that saves cycles."""
    lanes = config.pool_channels
    fits = 2 * fields["channels"] == 2 * fields["tap_column_step"] == lanes
    if not fits or fields["tap_columns"] > RING or any(fields.get(name) for name in OTHERS):
        return dict(fields)
    halves = {**fields, "halves": 1}
    fewer = pool_cost(config, halves).cycles < pool_cost(config, fields).cycles
    return halves if fewer else dict(fields)
