"""Memory blocks of the stages that `hw.stages` builds: segments of pixels.

The same sizes as `hw.stages.shape.StageShape` derives for one stage, for many candidates at once;
a test compares them with the blocks of elaborated stages. One thing a candidate cannot know: words
of the input ring are wider where more channels arrive in a beat than are read at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dse.network.rounding import MANTISSA_BITS
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Parallelism, ceil_div
from dse.pipeline.model.pixel_results import PixelResults
from dse.pipeline.model.ram import IntArray, Ram
from hw.isa.timing import DRAIN_LATENCY, REQUANTISE_LATENCY, operand_latency
from hw.stages.product_pair import dot_latency
from hw.stages.ring_rows import ring_rows
from hw.stages.scheme import Scheme, step_passes
from hw.stages.shape import STEP_TURN_CYCLES


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelBuffers:
    """Buffers of n candidates of one stage.

    Parameters
    ----------
    stage, scheme, par : the layer, what stays on chip, and the candidates' parallelisms.
    ram, bits : memory block, and width of a value.
    packed : two products share a multiplier.
    """

    stage: ConvStage
    scheme: Scheme
    par: Parallelism
    ram: Ram
    bits: int
    packed: bool = False

    @cached_property
    def touched(self) -> IntArray:
        """Most groups that one tile of output channels reads."""
        values, inverse = np.unique(self.par.para_out, return_inverse=True)
        return np.array([groups_touched(self.stage, int(value)) for value in values])[inverse]

    @cached_property
    def steps_in(self) -> IntArray:
        return ceil_div(self.stage.n_in, self.par.para_in)

    @cached_property
    def results(self) -> PixelResults:
        """How results leave."""
        return PixelResults(stage=self.stage, scheme=self.scheme, par=self.par)

    @property
    def wave_cycles(self) -> IntArray:
        return self.results.wave_cycles

    @property
    def tiles(self) -> IntArray:
        return self.results.tiles

    @cached_property
    def step_passes(self) -> IntArray:
        return np.asarray(step_passes(self.scheme, self.par.run))

    @cached_property
    def last_passes(self) -> IntArray:
        """Passes of an image's last step."""
        return (self.par.run - 1) % self.step_passes + 1

    @property
    def buildable(self) -> IntArray:
        """Whether results leave as fast as they come: MAP gives one segment's at a time."""
        if self.scheme is Scheme.MAP:
            return np.asarray(self.results.drain_segments == 1)
        return np.ones(len(self.par), bool)

    # The input ring.

    @property
    def cells(self) -> int:
        return self.stage.windows.cells

    @cached_property
    def live_rows(self) -> IntArray:
        """Rows of cells that the ring holds."""
        return ring_rows(
            self.stage.windows,
            self.scheme,
            para_seg=self.par.para_seg,
            wave_cycles=self.wave_cycles,
            tiles=self.tiles,
        )

    @cached_property
    def live_maps(self) -> IntArray:
        """Maps that have as many rows."""
        return ceil_div(self.live_rows, self.cells)

    @cached_property
    def turns(self) -> IntArray:
        """Turns around the banks that the ring holds."""
        size, banks = self.stage.size_out, self.par.para_seg
        whole = self.live_maps * ceil_div(self.cells * size, banks)
        held = self.live_rows * size
        loose = (held - 1) // banks + 2 + self.live_maps
        return np.where(size % banks == 0, held // banks, np.minimum(whole, loose))

    @cached_property
    def edges(self) -> IntArray:
        """Entries of a bank for cells right of the last output column."""
        size, banks = self.stage.size_out, self.par.para_seg
        columns = max(0, self.cells - size)
        log = _log2(banks // np.gcd(size, banks))
        whole = self.live_maps * ceil_div(self.cells, 1 << log)
        groups = np.minimum(whole, ((self.live_rows - 1) >> log) + 2 + self.live_maps)
        return columns * _power(groups)

    @property
    def input(self) -> IntArray:
        """Blocks of the input ring."""
        stage = self.stage
        words = self.steps_in * ceil_div(stage.groups, self.touched) * stage.stride**2
        bank = self._blocks(self.par.para_in * self.bits, (self.turns + self.edges) * words)
        return bank * self.touched * self.par.para_seg

    # Weights and parameters.

    @property
    def weight(self) -> IntArray:
        """Blocks of the weights."""
        lanes = self.par.para_in * self.par.para_out
        return self._blocks(lanes * self.bits, self.wave_cycles * self._weight_tiles)

    @property
    def _weight_tiles(self) -> IntArray:
        """Tiles of weights that are kept."""
        if self.scheme is Scheme.LINE:
            return self.tiles
        late = np.maximum(0, STEP_TURN_CYCLES - self.wave_cycles)
        return 2 + ceil_div(late, self.wave_cycles * np.minimum(self.step_passes, self.last_passes))

    @property
    def parameter(self) -> IntArray:
        """Blocks of the channels' biases and shifts."""
        terms = self.stage.n_in * self.stage.kernel**2
        record = 2 * self.bits + (terms - 1).bit_length() + 6  # bias and shift
        record += MANTISSA_BITS if self.bits == 8 else 0
        width = self.results.drain_channels
        return self._blocks(width * record, self.tiles * self.par.para_out // width)

    # Results.

    @cached_property
    def _latency(self) -> IntArray:
        """From a pass's last wave to its last result, bound."""
        edges = bool(max(0, self.cells - self.stage.size_out))
        values, inverse = np.unique(self.par.para_seg, return_inverse=True)
        operands = np.array([operand_latency(int(v), edges=edges, sliced=False) for v in values])
        fixed = dot_latency(self.packed) + DRAIN_LATENCY + REQUANTISE_LATENCY + STEP_TURN_CYCLES
        return operands[inverse] + self.par.para_in + fixed + self.results.drain_beats

    @property
    def output(self) -> IntArray:
        """Blocks of the results that wait: of steps, or of passes."""
        sent = self.results
        late = self._latency + sent.burst
        if self.scheme is Scheme.MAP:
            depth = np.maximum(2, sent.drain_beats * (1 + ceil_div(late, self.wave_cycles)))
            return self._blocks(sent.drain_channels * self.bits + 2, depth)
        segments = sent.drain_segments
        pixels = ceil_div(self.par.para_seg, segments) * self.step_passes
        whole = ceil_div(self.tiles, segments)
        of_tile = self.par.para_out // sent.drain_channels
        stored = np.where(segments > 1, whole, self.tiles * of_tile)
        step_pass = self.wave_cycles * self.tiles
        reading = self.par.para_seg * self.step_passes * sent.pixel_beats
        late = np.maximum(0, late + reading - step_pass * self.last_passes)
        slots = 2 + ceil_div(late, step_pass * self.step_passes)
        return self._blocks(sent.beat_channels * self.bits, slots * pixels * stored) * segments

    @property
    def pool(self) -> IntArray:
        """Blocks of the partial maxima across rows."""
        pool, sent = self.stage.pool, self.results
        if pool is None:
            return np.zeros_like(self.par.run)
        depth = np.maximum(2, pool.size_out * sent.pixel_beats)
        rows = -(-pool.kernel // pool.stride)
        return self._blocks(sent.beat_channels * self.bits, depth) * rows

    def _blocks(self, bits: IntArray, depth: IntArray | int) -> IntArray:
        return self.ram.blocks(lanes=ceil_div(bits, 8), depth=np.maximum(2, depth))


def groups_touched(stage: ConvStage, para_out: int) -> int:
    """Most groups that one tile of ``para_out`` output channels reads.

    A tile across a group border multiplies the channels of both groups at once.
    """
    size = stage.n_out // stage.groups
    first = np.arange(0, stage.n_out, para_out)
    last = np.minimum(first + para_out, stage.n_out) - 1
    return int(np.max(last // size - first // size)) + 1


def _log2(values: IntArray) -> IntArray:
    """The logarithm, rounded down."""
    return np.asarray(np.frexp(values)[1] - 1).astype(np.int64)


def _power(values: IntArray) -> IntArray:
    """The least power of two that is no less."""
    return np.asarray(1 << (_log2(2 * values - 1)))
