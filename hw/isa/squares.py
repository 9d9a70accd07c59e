"""Sums of squares as the byte that chooses a gain: five bits of them, and where these stand.

A value relative to its zero point has 9 bits, and up to ``2 * REACH + 1`` channels are summed, so
that a sum has `SUM_BITS`.  Its lowest `DROPPED_BITS` are dropped.  What is left, if below 32, is
the code itself; else the code is the five bits behind its first 1, and behind them how far it was
shifted, so that codes ascend with the sums and each stands for sums within a thirty-second.
"""

from __future__ import annotations

REACH = 2  # channels on either side of a value whose squares can count
SQUARE_BITS = 16  # of at most 255
SUM_BITS = 19  # of 2 * REACH + 1 squares
DROPPED_BITS = 7
KEPT_BITS = 5
CODES = 256


def least_sum(code: int) -> int:
    """The least sum of squares with a code, or the one behind the last code's."""
    exponent, kept = divmod(code, 1 << KEPT_BITS)
    if exponent:
        kept = (kept + (1 << KEPT_BITS)) << (exponent - 1)
    return kept << DROPPED_BITS
