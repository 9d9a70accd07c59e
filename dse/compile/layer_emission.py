"""Emission of one layer: strips, pieces, and the parameters and weights that they need."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from dse.assembly.instruction import Action
from dse.assembly.program_error import ProgramError
from dse.compile import (
    conv_instruction,
    depthwise_instruction,
    pair_instruction,
    pool_instruction,
)
from dse.compile.conv_instruction import ConvStrip
from dse.compile.depthwise_instruction import DepthwiseStrip
from dse.compile.depthwise_ring import DepthwiseRing, LaneConstants
from dse.compile.depthwise_weights import block_records, weight_rows
from dse.compile.layers import ConvLayer, DepthwiseLayer, Layer, PairLayer, PoolLayer, Role
from dse.compile.memory import MemoryPlan
from dse.compile.movement import StripMove, load_parameters, move_strip
from dse.compile.packing import Piece, cut
from dse.compile.pair_instruction import PairStrip
from dse.compile.pool_instruction import PoolStrip, tap_counts
from dse.compile.records import (
    ConvConstants,
    check_accumulators,
    conv_records,
    pair_record,
    pool_records,
)
from dse.compile.stores import Blob, ParameterRing
from dse.compile.strips import StripPlan
from dse.compile.table_ring import TableRing
from dse.compile.views import Layout
from dse.compile.weight_stream import piece_chunks, piece_stream
from dse.network import constants
from dse.network.graph import Network, Pool
from dse.passes.copies import Batch
from dse.tiling.depthwise import DepthwiseForm
from dse.tiling.layer_mapping import Choice
from dse.tiling.tile_form import Tile
from hw.isa import POOL
from hw.isa.config import OverlayConfig, ceil_div
from hw.pool.cycles import pool_cost


@dataclass(frozen=True)
class LayerCost:
    """What was chosen for a layer and what it should take.

    ``cycles``: of the array (the formulas of docs/architecture.md) or the pooling engine;
    ``weight_beats``: of the bus, for its weights.  ``tile``: Winograd, of the output.
    """

    algorithm: str
    dataflow: str
    cycles: int
    weight_beats: int
    tile: Tile | None = None


@dataclass(frozen=True)
class Emitter:
    """What all layers share; rings, parameters and weights change on the way.

    ``weights``: the whole stream, before it is striped over the weight ports.  Layers of a batch
    that are copies of one share its weights and parameter records.
    """

    batch: Batch
    layout: Layout
    plan: MemoryPlan
    config: OverlayConfig
    ring: ParameterRing
    tables: TableRing
    taps: DepthwiseRing
    parameters: Blob
    weights: Blob

    @property
    def network(self) -> Network:
        return self.batch.network

    def conv(self, time: int, layer: ConvLayer, choice: Choice) -> tuple[list[Action], LayerCost]:
        """A convolution: each piece on each strip."""
        check_accumulators(self.network, layer.conv, self.config, choice.algorithm)
        source = self.layout.views[layer.conv.input]
        target = self.layout.views[layer.output]
        pixels = self._height(time, layer) * target.width
        pieces = cut(layer.conv, source, pixels, self.config, choice)
        values = ConvConstants.of(self.network, layer.conv, choice.algorithm)
        entries = layer.conv.table.entries if layer.conv.table else b""
        actions: list[Action] = []
        cycles = beats = 0
        for first, last, move in self._strips(time, layer):
            rows = move.rows
            strip = ConvStrip(
                layer, rows[Role.SOURCE], rows.get(Role.RESIDUAL), rows[Role.TARGET], first, last
            )
            actions += move.loads
            for piece in pieces:
                parameters, record = self._conv_parameters(layer, piece, values)
                conv, tiling = conv_instruction.conv(
                    self.network, strip, piece, record, self.config
                )
                offset = self._conv_weights(layer, piece, pixels)
                stripe = offset // self.config.weight_ports
                weights = conv_instruction.weights(layer.name, stripe, tiling)
                loads, number = self.tables.place(layer.name, entries)
                applied = self.tables.applied(conv, number)
                actions += [*parameters, *loads, weights, applied]
                cycles += tiling.cycles
                beats += tiling.beats
            actions += move.stores
        form = pieces[0].form
        tile = None if form is None else form.tile
        flow = pieces[0].dataflow.name
        return actions, LayerCost(choice.algorithm.value, flow, cycles, beats, tile)

    def pool(self, time: int, layer: PoolLayer) -> tuple[list[Action], LayerCost]:
        """A pooling, strip by strip."""
        pool = layer.pool
        if pool.normalisation is not None and not self.config.normalisation:
            raise ProgramError(
                f"layer {layer.name!r} normalises across channels, the overlay cannot: set"
                " normalisation"
            )
        counts = tap_counts(self.network, pool)
        table = pool.table or constants.pool_gains(self.network, pool)
        actions: list[Action] = []
        cycles = 0
        for first, last, move in self._strips(time, layer):
            parameters, record = self._parameters(
                (self.batch.origin(pool.output),),
                layer.name,
                len(counts),
                lambda: pool_records(self.network, pool, counts),
            )
            source, target = move.rows[Role.SOURCE], move.rows[Role.TARGET]
            loads, number = self.tables.place(layer.name, table.entries if table else b"")
            actions += [*move.loads, *parameters, *loads]
            for channels in self._blocks(pool):
                strip = PoolStrip(pool, source, target, first, last, channels)
                action = self.tables.applied(
                    pool_instruction.pool(self.network, strip, counts, record, self.config), number
                )
                actions.append(action)
                cycles += self._pool_cycles(action)
            actions += move.stores
        return actions, LayerCost(pool.kind, "", cycles, 0)

    def _blocks(self, pool: Pool) -> Iterator[range]:
        """The channels of each instruction: all, but of a normalisation what one takes at once."""
        channels = self.network.tensors[pool.input].channels
        count = 1 if pool.normalisation is None else self.config.normalised_blocks(channels)
        ends = [channels * k // count for k in range(count + 1)]
        return itertools.starmap(range, itertools.pairwise(ends))

    def depthwise(self, time: int, layer: DepthwiseLayer) -> tuple[list[Action], LayerCost]:
        """A depthwise convolution beside the array: strip by strip, as many channels as go."""
        conv, config = layer.conv, self.config
        check_accumulators(self.network, conv, config)
        form = DepthwiseForm(self.network.conv_shape(conv), config)
        values = ConvConstants.of(self.network, conv)
        entries = conv.table.entries if conv.table else b""
        actions: list[Action] = []
        cycles = 0
        for first, last, move in self._strips(time, layer):
            actions += move.loads
            for channels in form.parts:
                loads, constants = self._taps(layer, form, values, channels)
                table, number = self.tables.place(layer.name, entries)
                rows = move.rows[Role.SOURCE], move.rows[Role.TARGET]
                strip = DepthwiseStrip(conv, *rows, first, last, channels)
                action = depthwise_instruction.convolve(
                    self.network, strip, form, constants, self.taps.reads(constants)
                )
                actions += [*loads, *table, self.tables.applied(action, number)]
                cycles += self._pool_cycles(action)
            actions += move.stores
        return actions, LayerCost("", "", cycles, 0)

    def _taps(
        self,
        layer: DepthwiseLayer,
        form: DepthwiseForm,
        values: ConvConstants,
        channels: range,
    ) -> tuple[list[Action], LaneConstants]:
        """Weights and records of some channels."""
        conv, config = layer.conv, self.config
        blocks = ceil_div(len(channels), config.pool_channels)
        rows = blocks * form.block_rows
        key = self.batch.origin(conv.output), channels.start
        weights, row = self.taps.rows(
            key, layer.name, rows, lambda: weight_rows(conv, form, channels)
        )
        records, block = self.taps.blocks(
            key,
            layer.name,
            blocks,
            lambda: block_records(self.network, conv, values, channels, config),
        )
        return [*weights, *records], LaneConstants(row, rows, block, blocks)

    def combine(self, time: int, layer: PairLayer) -> tuple[list[Action], LayerCost]:
        """A combination of two tensors, strip by strip."""
        combine = layer.combine
        if not self.config.products:
            raise ProgramError(
                f"layer {layer.name!r} combines two tensors, the overlay cannot: set products"
            )
        if self.network.needs_pairs(combine) and not self.config.pairs:
            raise ProgramError(
                f"layer {layer.name!r} takes the {combine.combination} of two tensors, the overlay"
                " cannot: set pairs"
            )
        actions: list[Action] = []
        cycles = 0
        for first, last, move in self._strips(time, layer):
            parameters, record = self._parameters(
                (self.batch.origin(combine.output),),
                layer.name,
                1,
                lambda: pair_record(self.network, combine),
            )
            source, operand, target = (
                move.rows[role] for role in (Role.SOURCE, Role.OPERAND, Role.TARGET)
            )
            strip = PairStrip(combine, source, operand, target, first, last)
            action = pair_instruction.combine(self.network, strip, record)
            actions += [*move.loads, *parameters, action, *move.stores]
            cycles += self._pool_cycles(action)
        return actions, LayerCost(combine.combination, "", cycles, 0)

    def _pool_cycles(self, action: Action) -> int:
        fields = {name: action.instruction.field(name) for name in POOL.members}
        return pool_cost(self.config, fields).cycles

    def _height(self, time: int, layer: Layer) -> int:
        """Output rows of a strip: all of them if nothing of the layer lives in DRAM."""
        strips = self.plan.strips.get(time)
        return strips.rows if strips else self.layout.views[layer.output].height

    def _strips(self, time: int, layer: Layer) -> Iterator[tuple[int, int, StripMove]]:
        height = self.layout.views[layer.output].height
        plan = self.plan.strips.get(time, StripPlan(height, {}))
        for index, first, last in plan.cuts(height):
            yield first, last, move_strip(layer, self.layout, self.plan, time, index, (first, last))

    def _conv_parameters(
        self, layer: ConvLayer, piece: Piece, values: ConvConstants
    ) -> tuple[list[Action], int]:
        def records() -> bytes:
            chunks = piece_chunks(layer.conv, piece, self.config)
            return conv_records(self.network, layer.conv, values, piece, chunks, self.config)

        return self._parameters(self._part(layer, piece), layer.name, piece.channels, records)

    def _conv_weights(self, layer: ConvLayer, piece: Piece, pixels: int) -> int:
        tiling = piece.tiling(pixels, self.config)
        key = *self._part(layer, piece), piece.form, tiling.dataflow, tiling.channel_tile
        offset = self.weights.offset(key)
        if offset is not None:
            return offset
        stream = piece_stream(layer.conv, piece, tiling, self.config)
        return self.weights.add(key, stream.tobytes())

    def _part(self, layer: ConvLayer, piece: Piece) -> tuple[Hashable, ...]:
        """The numbers of which a piece is: the same for all images."""
        own = self.batch.origin(layer.conv.output)
        return own, piece.first_group, piece.groups, piece.channel, piece.channels

    def _parameters(
        self,
        key: tuple[Hashable, ...],
        layer: str,
        count: int,
        records: Callable[[], bytes],
    ) -> tuple[list[Action], int]:
        """The LOAD of ``count`` records, unless they are still there, and the first of them."""
        first = self.ring.find(key)
        if first is not None:
            return [], first
        offset = self.parameters.offset(key)
        if offset is None:
            offset = self.parameters.add(key, records())
        first = self.ring.place(key, layer, count)
        return [load_parameters(layer, offset, first, count)], first
