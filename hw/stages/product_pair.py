"""Two products of 8 bits in one multiplier of 27 x 18 bits: what fits, and which two share it.

Two factors in fields of 18 bits, ``high 2**18 + low``, are multiplied by a common third.  The sums
of both fields grow in one cascade, until the lower one would leave its field.
"""

from __future__ import annotations

from itertools import pairwise

from hw.isa.timing import DOT_LATENCY, PACKED_DOT_LATENCY

PACKED_BITS = 8  # of an operand
FIELD_BITS = 18  # between the two factors: they fill 27 bits, the wider port of a DSP slice
CHAIN = ((1 << (FIELD_BITS - 1)) - 1) >> (2 * PACKED_BITS - 2)
"""Products whose sum stays in the lower field, even if all are of the two least operands."""


def dot_latency(packed: bool) -> int:
    """From the operands of a product to the sum of all, less a cycle a product."""
    return PACKED_DOT_LATENCY if packed else DOT_LATENCY


def borders_part_pairs(*, n_out: int, groups: int, para_out: int) -> bool:
    """Whether two channels of a pair read different groups: so they have no common operand.

    The channels at places 2 j and 2 j + 1 of a tile are a pair.
    """
    borders = range(0, n_out, n_out // groups)
    return any(border % para_out % 2 for border in borders)


def chains(inputs: int) -> list[range]:
    """The inputs in cascades that stay in the lower field."""
    ends = [*range(0, inputs, CHAIN), inputs]
    return [range(first, end) for first, end in pairwise(ends)]
