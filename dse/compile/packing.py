"""Pieces: the CONV instructions that one convolution becomes.

Groups are packed m at a time into dense blocks, and channels are split where their parameter
records would take more than half of the parameter memory, so that the next CONV's can be loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.program_error import ProgramError
from dse.compile.dataflow import ConvExtents, Tiling, balanced, best_tiling, parts, tile
from dse.compile.runs import Runs, form_runs
from dse.compile.views import View
from dse.compile.winograd_tiles import legal_forms, tiled, too_small, winograd_tiling
from dse.cost.candidates import CONV_CYCLES
from dse.network.graph import Conv
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.legality import group_sizes, most_channels
from dse.tiling.part_chunks import Taps
from dse.tiling.tile_form import TileForm
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig


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
    algorithm: ConvAlgorithm
    form: TileForm | None
    channel_tile: int

    def tiling(self, pixels: int, config: OverlayConfig) -> Tiling:
        """The tiles of this piece over some output pixels."""
        if self.form is not None:
            shape = tiled(self.runs, self.form, pixels, self.channels, config)
            found = winograd_tiling(shape, config, self.dataflow)
            assert found is not None
            return found
        block = _block(self.runs, self.algorithm, pixels, self.channels, config, self.dataflow)
        return tile(block, config, self.dataflow, self.channel_tile)


def _block(
    runs: Runs,
    algorithm: ConvAlgorithm,
    pixels: int,
    channels: int,
    config: OverlayConfig,
    flow: Dataflow,
) -> ConvExtents:
    chunks = runs.chunks(config.reduction)
    if algorithm is ConvAlgorithm.IM2COL or flow is not Dataflow.WS:
        return ConvExtents(pixels, channels, chunks)
    size = runs.view.height, runs.view.width
    width = runs.window.output(*size)[1]
    return ConvExtents(
        pixels, channels, chunks, Taps.of((pixels // width, width), size, runs.window)
    )


def cut(
    conv: Conv, view: View, pixels: int, config: OverlayConfig, choice: Choice
) -> tuple[Piece, ...]:
    """The pieces of a convolution that cost least at ``pixels`` output pixels at a time."""
    forced = choice.dataflow
    forms = legal_forms(conv, choice, config)
    plans = [
        _Plan(conv, view, size, pixels, config, flow, choice.algorithm, form)
        for size in group_sizes(conv.groups)
        for flow in ([forced] if forced is not None else Dataflow)
        for form in forms
    ]
    costs = [(cost, index) for index, plan in enumerate(plans) if (cost := plan.cost())]
    if not costs:
        if choice.algorithm is ConvAlgorithm.WINOGRAD:
            raise ProgramError(too_small(conv, view, forms, config))
        width = conv.window.output(view.height, view.width)[1]
        if choice.algorithm is ConvAlgorithm.KN2ROW and width > config.accumulator_depth:
            raise ProgramError(
                f"layer {conv.name!r}: kn2row with WS needs an accumulator for each of the {width} "
                f"pixels of a row, the overlay has {config.accumulator_depth}: raise "
                "accumulator_depth or choose another dataflow"
            )
        raise ProgramError(
            f"layer {conv.name!r}: {pixels} output pixels are too many tiles for one WEIGHTS "
            "instruction, or its products too many words for one CONV: use a larger array or "
            "weight buffer"
        )
    return plans[min(costs)[1]].pieces()


@dataclass(frozen=True, eq=False)
class _Plan:
    """``size`` groups at a time under one dataflow."""

    conv: Conv
    view: View
    size: int
    pixels: int
    config: OverlayConfig
    flow: Dataflow
    algorithm: ConvAlgorithm
    form: TileForm | None

    def cost(self) -> tuple[int, int] | None:
        """Cycles with the weight stream's, and the array's own; None if impossible."""
        total = array = edges = 0
        for groups, blocks in parts(self.conv.groups, self.size):
            channels = groups * self._outputs
            for size, count in parts(channels, self._part(channels)):
                tiling = self._tiling(groups, size)
                if tiling is None:
                    return None
                total += blocks * count * (int(tiling.longest) + CONV_CYCLES)
                array += blocks * count * tiling.cycles
                edges = tiling.fill + tiling.drain
        return total + edges, array

    def pieces(self) -> tuple[Piece, ...]:
        """The CONVs of a possible plan."""
        found = []
        for first in range(0, self.conv.groups, self.size):
            groups = min(self.size, self.conv.groups - first)
            runs = form_runs(self.conv, self.view, first, groups, self.algorithm, self.form)
            start, end = first * self._outputs, (first + groups) * self._outputs
            part = self._part(end - start)
            for channel in range(start, end, part):
                channels = min(part, end - channel)
                tiling = self._tiling(groups, channels)
                assert tiling is not None
                channel_tile = tiling.channel_tile
                found.append(
                    Piece(
                        runs,
                        first,
                        groups,
                        start,
                        channel,
                        channels,
                        self.flow,
                        self.algorithm,
                        self.form,
                        channel_tile,
                    )
                )
        return tuple(found)

    @property
    def _outputs(self) -> int:
        """Output channels of a group."""
        return self.conv.weight.shape[0] // self.conv.groups

    def _part(self, channels: int) -> int:
        """Channels of one CONV of a block."""
        return balanced(channels, most_channels(self.config.parameter_depth), self.config.columns)

    def _tiling(self, groups: int, channels: int) -> Tiling | None:
        runs = form_runs(self.conv, self.view, 0, groups, self.algorithm, self.form)
        if self.form is not None:
            shape = tiled(runs, self.form, self.pixels, channels, self.config)
            return winograd_tiling(shape, self.config, self.flow)
        block = _block(runs, self.algorithm, self.pixels, channels, self.config, self.flow)
        return best_tiling(block, self.config, self.flow)
