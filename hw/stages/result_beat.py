"""What travels behind the multipliers: channels of a pixel."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data


def result_layout(width: int, bits: int) -> data.StructLayout:
    """A beat of results.

    Members
    -------
    values : of ``width`` neighbouring channels.
    short : the last channel of the map lies in the beat, before its last lane.
    empty : it lies in a beat before.
    """
    values = data.ArrayLayout(signed(bits), width)
    return data.StructLayout({"values": values, "short": 1, "empty": 1})


def parameter_layout(*, accumulator_bits: int, scaled: bool) -> data.StructLayout:
    """What a channel's sums are requantised with."""
    fields = {"bias": signed(accumulator_bits), "shift": 6}
    return data.StructLayout({**fields, "mantissa": 17} if scaled else fields)


def header_layout(bits: int) -> data.StructLayout:
    """What all channels of a stage have in common.

    Members
    -------
    padding : what lies outside of the input.
    zero_point, low, high : of the results.
    """
    return data.StructLayout(
        {name: signed(bits) for name in ("padding", "zero_point", "low", "high")}
    )
