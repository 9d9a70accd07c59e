"""POOL of a depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.instruction import Action, make
from dse.assembly.region import Region
from dse.compile.depthwise_ring import LaneConstants
from dse.compile.strips import Rows
from dse.compile.window_fields import WindowWalk
from dse.network.graph import Conv, Network
from dse.tiling.depthwise import DepthwiseForm
from hw.isa import Opcode


@dataclass(frozen=True)
class DepthwiseStrip:
    """Output rows ``[first, last)`` of some channels, with the rows that they need."""

    conv: Conv
    source: Rows
    target: Rows
    first: int
    last: int
    channels: range


def convolve(
    network: Network,
    strip: DepthwiseStrip,
    form: DepthwiseForm,
    constants: LaneConstants,
    constant_reads: tuple[Region, ...],
) -> Action:
    """The POOL of one strip; ``constant_reads``: where its weights and records are."""
    conv, channels = strip.conv, strip.channels
    walk = WindowWalk(
        window=conv.window,
        taps=conv.window.kernel,
        source=strip.source.of_channels(channels),
        target=strip.target,
        first=strip.first,
        last=strip.last,
        zero_point=network.tensors[conv.input].zero_point,
        channel=channels.start,
    )
    fields = {
        **walk.fields(),
        **form.fields,
        "parameters": constants.block,
        "weights": constants.row,
        "channels": len(channels),
    }
    action = make(Opcode.POOL, conv.name, fields)
    reads = (*walk.read(), *constant_reads)
    return Action(action, conv.name, reads, (walk.written(len(channels)),))
