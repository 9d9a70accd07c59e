"""Cycles and reads of a pooling instruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.timing import DEPTHWISE_LATER, GAIN_LATENCY, POOL_LATENCY
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
    Where taps are halves of words, a read is two columns'.
    """
    line = PoolLine.of(fields)
    lines = fields["pixels"] // line.width * ceil_div(fields["channels"], config.pool_channels)
    return PoolCost(
        reads=lines * line.reads,
        cycles=lines * line.cycles
        - line.early
        + line.measuring
        + line.more
        + POOL_LATENCY
        + later(fields),
    )


def later(fields: Mapping[str, int]) -> int:
    """Cycles that results take longer than those of a pooling."""
    if fields.get("normalise"):
        return GAIN_LATENCY
    return DEPTHWISE_LATER if fields.get("depthwise") else 0


@dataclass(frozen=True, kw_only=True)
class PoolLine:
    """The windows of one line.

    Parameters
    ----------
    width : windows.
    first, following : reads of the first window, and of each other one.
    more : cycles between two windows at least, less one.
    measuring : cycles in which ``Overlap`` finds out.
    """

    width: int
    first: int
    following: int
    more: int
    measuring: int

    @classmethod
    def of(cls, fields: Mapping[str, int]) -> PoolLine:
        """The lines of the POOL instruction with these fields."""
        halves = fields.get("halves", 0)
        rows, columns = fields["tap_rows"], ceil_div(fields["tap_columns"], 1 + halves)
        fresh, measuring = _overlap(fields, columns)
        slides = fresh < columns
        by_column = (slides or halves) and not fields.get("product")
        column = rows * (fields["passes"] if slides and fields.get("depthwise") else 1)
        return cls(
            width=fields["out_width"],
            first=columns * column,
            following=fresh * column,
            more=fields["tap_columns"] - 1 if by_column else 0,
            measuring=measuring,
        )

    @property
    def reads(self) -> int:
        """Of the tensor memory."""
        return self.first + (self.width - 1) * self.following

    @property
    def cycles(self) -> int:
        """If the memory grants all reads at once; the first window waits for the line before."""
        first, following = (max(reads, self.more + 1) for reads in (self.first, self.following))
        return first + (self.width - 1) * following

    @property
    def early(self) -> int:
        """Cycles that the first window of all does not wait."""
        return max(0, self.more + 1 - self.first)


def _overlap(fields: Mapping[str, int], columns: int) -> tuple[int, int]:
    """Fresh columns of a window, and the cycles in which ``Overlap`` finds them.

    ``columns``: of a window, halves of words taken together.
    """
    step = fields["tap_column_step"] * (1 + fields.get("halves", 0))
    alone = bool(fields.get("depthwise")) and not fields["window_groups"]
    if columns > RING or fields["out_width"] == 1 or alone:
        return columns, 1
    for fresh in range(1, columns):
        if fresh * step == fields["column_step"]:
            return fresh, fresh
    return columns, columns
