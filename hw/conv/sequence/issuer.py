"""The contract between the streamer and the three units that issue waves, one a dataflow."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.conv.array.wave import wave_layout
from hw.conv.sequence.loader import WEIGHT_POP
from hw.conv.sequence.wave_resources import busy_cycles
from hw.isa.config import OverlayConfig

STALL = data.StructLayout({"activation": 1, "weight": 1, "output": 1})
LEVEL = unsigned(24)


def sight_layout(config: OverlayConfig) -> data.StructLayout:
    """What an issuer knows in a cycle.

    pixels, channels, first_chunk, last_chunk, first_pixels, last_pixels, last_channels,
    single_pixel, single_channel : `Tiles`'.
    step : waves of the tile (NS: of the chunk or the drain) so far. first : it is its first; ends :
    if not, it is its last.
    winograd, skips, exact, replay, parameters : of the instruction; it is Winograd or skips.
    activations, weights : words there. some, some_scratch : activation words, of the FIFO and of
    the scratch memory. chunk_ends : the next activation word ends its chunk.
    loaded : the loader's shadow is ready. headed : the chunk's all-zero wave has been issued.
    room, some_room, spacing : of `OutputRoom`. parameters_ready : of `ParameterSchedule`.
    settled : a first wave may reuse the previous tile's accumulators.
    open : WS, IS: so it may, and need not wait for parameters or, Winograd, for a bank of them.
    """
    return data.StructLayout(
        {
            "pixels": unsigned(16),
            "channels": unsigned(16),
            "first_chunk": 1,
            "last_chunk": 1,
            "first_pixels": 1,
            "last_pixels": 1,
            "last_channels": 1,
            "single_pixel": 1,
            "single_channel": 1,
            "step": unsigned(16),
            "first": 1,
            "ends": 1,
            "winograd": 1,
            "skips": 1,
            "exact": 1,
            "replay": 1,
            "parameters": unsigned(16),
            "activations": LEVEL,
            "weights": LEVEL,
            "some": 1,
            "some_scratch": 1,
            "chunk_ends": 1,
            "loaded": 1,
            "headed": 1,
            "room": unsigned(config.output_depth.bit_length()),
            "some_room": 1,
            "spacing": busy_cycles(config),
            "parameters_ready": 1,
            "settled": 1,
            "open": 1,
        }
    )


def request_layout(config: OverlayConfig) -> data.StructLayout:
    """What an issuer asks for in a cycle; all zero if it asks for nothing.

    issued : a wave is issued. advance : it counts as a step; restart : the next one is step 0.
    done : it ends the chunk (NS, its tile's last one: the drain). sums : it brings partial sums.
    head : an all-zero wave is wanted as soon as the shadow is there.
    swap : takes the loader's shadow. wave : see `wave_layout`.
    activation_pop, scratch_pop, weight_pop : words taken. addressed : the accumulator's address
    comes with the word.
    reserve : a word of the output FIFO, IS: one a pixel. busy : cycles that the results keep the
    collector.
    stall : what the next wave waits for.
    """
    return data.StructLayout(
        {
            "issued": 1,
            "advance": 1,
            "restart": 1,
            "done": 1,
            "sums": 1,
            "head": 1,
            "swap": 1,
            "wave": wave_layout(config),
            "activation_pop": 1,
            "scratch_pop": WEIGHT_POP,
            "weight_pop": WEIGHT_POP,
            "addressed": 1,
            "reserve": 1,
            "busy": busy_cycles(config),
            "stall": STALL,
        }
    )


class WaveIssuer(wiring.Component):
    """Decides, cycle by cycle, which wave of its dataflow is issued; what it needs is there.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_active : an instruction of the dataflow is under way.
    i : `sight_layout`.
    o : `request_layout`, zero while not active (NS: but for what follows the last wave).
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {"i_active": In(1), "i": In(sight_layout(config)), "o": Out(request_layout(config))}
        )


def replayed(sight: Any, pop: Any, ends: Any) -> list[Any]:
    """Pops a weight word; a replayed segment is held until its last pixels have been computed.

    ends : the word is the last of its segment, for these pixels.
    """
    again = sight.replay & ends
    return [
        pop.pop.eq(1),
        pop.hold.eq(sight.replay),
        pop.rewind.eq(again & ~sight.last_pixels),
        pop.release.eq(again & sight.last_pixels),
    ]
