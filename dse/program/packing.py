"""Pieces: the CONV instructions that one convolution becomes.

Groups are packed m at a time into dense blocks, and channels are split where their parameter
records would take more than half of the parameter memory, so that the next CONV's can be loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse.network.graph import Conv
from dse.program.dataflow import Block, Tiling, balanced, tile, tilings
from dse.program.errors import ProgramError
from dse.program.runs import Runs, form_runs
from dse.program.views import View
from hw.config import OverlayConfig, ceil_div
from hw.isa import Dataflow

CONV_CYCLES = 8  # fetching and dispatching one more CONV, WEIGHTS and LOAD


@dataclass(frozen=True)
class Piece:
    """Output channels ``[channel, channel + channels)`` of a convolution, as one CONV.

    Its block of groups starts with output channel ``block_channel``.
    """

    runs: Runs
    first_group: int
    groups: int
    block_channel: int
    channel: int
    channels: int
    dataflow: Dataflow
    channel_tile: int

    def tiling(self, pixels: int, config: OverlayConfig) -> Tiling:
        """The tiles of this piece over some output pixels."""
        block = Block(pixels, self.channels, self.runs.chunks(config.reduction))
        return tile(block, config, self.dataflow, self.channel_tile)


def cut(
    conv: Conv, view: View, pixels: int, config: OverlayConfig, forced: Dataflow | None
) -> tuple[Piece, ...]:
    """The pieces of a convolution that cost least at ``pixels`` output pixels at a time."""
    choices: list[list[Piece]] = [
        _pieces(conv, view, size, pixels, config, flow)
        for size in _group_counts(conv.groups)
        for flow in ([forced] if forced is not None else Dataflow)
    ]
    feasible = [pieces for pieces in choices if pieces]
    if not feasible:
        raise ProgramError(
            f"layer {conv.name!r}: {pixels} output pixels are too many tiles for one WEIGHTS "
            "instruction: use a larger array or weight buffer"
        )

    def cost(pieces: Sequence[Piece]) -> tuple[int, int]:
        costs = [piece.tiling(pixels, config).cost for piece in pieces]
        return sum(most + CONV_CYCLES for most, _ in costs), sum(cycles for _, cycles in costs)

    return min((tuple(pieces) for pieces in feasible), key=cost)


def _pieces(
    conv: Conv, view: View, size: int, pixels: int, config: OverlayConfig, flow: Dataflow
) -> list[Piece]:
    """The pieces with ``size`` groups each under one dataflow; none if it is not possible."""
    pieces = []
    outputs = conv.weight.shape[0] // conv.groups
    limit = config.parameter_depth // 2
    for first in range(0, conv.groups, size):
        groups = min(size, conv.groups - first)
        runs = form_runs(conv, view, first, groups)
        part = balanced(groups * outputs, limit, config.columns)
        start, end = first * outputs, (first + groups) * outputs
        for channel in range(start, end, part):
            channels = min(part, end - channel)
            block = Block(pixels, channels, runs.chunks(config.reduction))
            found = tilings(block, config, flow)
            if not found:
                return []
            best = min(found, key=lambda tiling: tiling.cost).channel_tile
            pieces.append(Piece(runs, first, groups, start, channel, channels, flow, best))
    return pieces


def _group_counts(groups: int) -> list[int]:
    """Groups per CONV for each possible number of CONVs."""
    return list(dict.fromkeys(ceil_div(groups, parts) for parts in range(1, groups + 1)))
