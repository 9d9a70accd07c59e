"""What travels with a wave: control of the array's edges, and the tag for the column feet."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data

from hw.isa.config import OverlayConfig


def tag_layout(config: OverlayConfig) -> data.StructLayout:
    """What the feet and the collector must know of a wave.

    valid: the wave carries partial sums. first: add the bias, not the accumulator. last: the sum is
    complete. by_channel: IS, columns are pixels and the wave is one channel. capture: the
    all-zero wave whose sums correct the tile. exact: both of the fast inner product's terms are
    subtracted: the captured one and the wave's own. plain: Winograd, a first wave adds no bias.
    bank: of the accumulators, Winograd. swap: take the channel parameters from the
    chain. close: IS, the last wave of a group, whose words leave the output corner turn. address:
    into the accumulators. pixels: IS, words of the group, minus one. record: IS, parameter record.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "first": 1,
            "last": 1,
            "by_channel": 1,
            "capture": 1,
            "exact": 1,
            "plain": 1,
            "bank": 1,
            "swap": 1,
            "close": 1,
            "address": unsigned(config.address_bits),
            "pixels": unsigned((config.columns - 1).bit_length()),
            "record": unsigned((config.parameter_depth - 1).bit_length()),
        }
    )


def drain_layout(config: OverlayConfig) -> data.StructLayout:
    """What the feet must know to read an accumulator for the output transform.

    valid: bank and address are read. take: a tile's parameters are the next ones, from the first
    result on that this element completes. transform: which one. by_channel: IS, the unit is a
    channel, and its parameters are those of record. close: it is the last one of its group. pixels:
    columns with a tile, minus one.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "take": 1,
            "bank": 1,
            "transform": unsigned(config.transform_bits),
            "by_channel": 1,
            "close": 1,
            "pixels": unsigned((config.columns - 1).bit_length()),
            "record": unsigned((config.parameter_depth - 1).bit_length()),
            "address": unsigned(config.address_bits),
        }
    )


def read_layout(config: OverlayConfig) -> data.StructLayout:
    """Where each bank of a foot's accumulators is read; with Winograd there are two."""
    banks = range(2 if config.transforms else 1)
    return data.StructLayout({f"bank_{bank}": unsigned(config.address_bits) for bank in banks})


def wave_layout(config: OverlayConfig) -> data.StructLayout:
    """Control of one cycle at the array's edges, aligned with the operand words.

    left: which word enters directly, if any. streaming: NS, the serialisers feed the rows (a
    level). swap: the shadow becomes active. clear: NS, first wave of a tile. drop: NS, after a
    tile's drain. serial, serial_first: the activation word goes to the next (the first)
    serialiser. top: the weight word enters the top. turned: the serialisers feed the columns (a
    level). enable, start: the shadow chains shift; first cycle of a burst. scratch: the activation
    word is the scratch memory's. wide: weights have two bytes. drain: see `drain_layout`.
    """
    return data.StructLayout(
        {
            "left": data.StructLayout({"activation": 1, "weight": 1}),
            "streaming": 1,
            "swap": 1,
            "clear": 1,
            "drop": 1,
            "serial": 1,
            "serial_first": 1,
            "top": 1,
            "turned": 1,
            "enable": 1,
            "start": 1,
            "scratch": 1,
            "wide": 1,
            "tag": tag_layout(config),
            "drain": drain_layout(config),
        }
    )
