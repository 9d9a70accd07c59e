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
from dse.pipeline.model.ram import IntArray, Ram
from hw.isa.timing import DRAIN_LATENCY, REQUANTISE_LATENCY, operand_latency
from hw.stages.product_pair import dot_latency
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
    def wave_cycles(self) -> IntArray:
        return self.steps_in * self.stage.kernel**2

    @cached_property
    def tiles(self) -> IntArray:
        return ceil_div(self.stage.n_out, self.par.para_out)

    @cached_property
    def step_passes(self) -> IntArray:
        return np.asarray(step_passes(self.scheme, self.par.run))

    @property
    def buildable(self) -> IntArray:
        """Whether results leave as fast as they come: MAP gives one segment's at a time."""
        if self.scheme is Scheme.MAP:
            return np.asarray(self.drain_segments == 1)
        return np.ones(len(self.par), bool)

    # The input ring.

    @cached_property
    def cells(self) -> int:
        return int(-(-self.stage.rows_used // self.stage.stride))

    @cached_property
    def live_rows(self) -> IntArray:
        """Rows of cells that the ring holds."""
        stage = self.stage
        whole = np.full_like(self.par.run, 2 * self.cells)
        if self.scheme is Scheme.MAP:
            return whole
        span = _row_span(self.par.para_seg * self.step_passes, stage.size_out)
        before = -(-stage.pad // stage.stride)
        reach = (stage.kernel - 1 - stage.pad) // stage.stride
        below = max(0, self.cells - stage.size_out)
        return np.minimum(whole, 2 * span + before + below + reach)

    @cached_property
    def turns(self) -> IntArray:
        """Turns around the banks that the ring holds."""
        size, banks = self.stage.size_out, self.par.para_seg
        whole = 2 * ceil_div(self.cells * size, banks)
        if self.scheme is Scheme.MAP:
            return whole
        held = self.live_rows * size
        loose = (held - 1) // banks + 3
        return np.minimum(whole, np.where(size % banks == 0, held // banks, loose))

    @cached_property
    def edges(self) -> IntArray:
        """Entries of a bank for cells right of the last output column."""
        size, banks = self.stage.size_out, self.par.para_seg
        columns = max(0, self.cells - size)
        log = _log2(banks // np.gcd(size, banks))
        groups = 2 * ceil_div(self.cells, 1 << log)
        if self.scheme is not Scheme.MAP:
            groups = np.minimum(groups, ((self.live_rows - 1) >> log) + 3)
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
        copies = self.tiles if self.scheme is Scheme.LINE else 2
        return self._blocks(lanes * self.bits, self.wave_cycles * copies)

    @property
    def parameter(self) -> IntArray:
        """Blocks of the channels' biases and shifts."""
        terms = self.stage.n_in * self.stage.kernel**2
        record = 2 * self.bits + (terms - 1).bit_length() + 6  # bias and shift
        record += MANTISSA_BITS if self.bits == 8 else 0
        rows = self.tiles * self.par.para_out // self.drain_channels
        return self._blocks(self.drain_channels * record, rows)

    # Results.

    @cached_property
    def drain_segments(self) -> IntArray:
        return ceil_div(self.par.para_seg, self.wave_cycles)

    @cached_property
    def drain_channels(self) -> IntArray:
        """The least divisor of a tile with which its results leave in time."""
        result = self.par.para_out.copy()
        slack = self.wave_cycles // self.par.para_seg  # beats a segment may take
        for value in np.unique(result):
            of_tile = self.par.para_out == value
            for width in (w for w in range(int(value), 0, -1) if value % w == 0):
                result[of_tile & (value // width <= slack)] = width
        return result

    @cached_property
    def _latency(self) -> IntArray:
        """From a pass's last wave to its last result, bound."""
        edges = bool(max(0, self.cells - self.stage.size_out))
        values, inverse = np.unique(self.par.para_seg, return_inverse=True)
        operands = np.array([operand_latency(int(v), edges=edges, sliced=False) for v in values])
        fixed = dot_latency(self.packed) + DRAIN_LATENCY + REQUANTISE_LATENCY + STEP_TURN_CYCLES
        return operands[inverse] + self.par.para_in + fixed + self._beats

    @cached_property
    def _beats(self) -> IntArray:
        channels = self.par.para_out // self.drain_channels
        return ceil_div(self.par.para_seg, self.drain_segments) * channels

    @property
    def output(self) -> IntArray:
        """Blocks of the results that wait: of steps, or of passes."""
        if self.scheme is Scheme.MAP:
            passes = 1 + ceil_div(self._latency, self.wave_cycles)
            depth = np.maximum(2, self._beats * passes)
            return self._blocks(self.drain_channels * self.bits + 2, depth)
        segments = self.drain_segments
        pixels = ceil_div(self.par.para_seg, segments) * self.step_passes
        whole = ceil_div(self.tiles, segments)
        stored = np.where(
            segments > 1, whole, self.tiles * (self.par.para_out // self.drain_channels)
        )
        step = self.wave_cycles * self.tiles * self.step_passes
        reading = self.par.para_seg * self.step_passes * self._pixel_beats
        slots = 1 + ceil_div(self._latency + reading, step)
        width = self.drain_channels * segments * self.bits
        return self._blocks(width, slots * pixels * stored) * segments

    @property
    def _pixel_beats(self) -> IntArray:
        channels = self.stage.n_out if self.scheme is not Scheme.MAP else self.par.para_out
        return ceil_div(channels, self.drain_channels * self.drain_segments)

    @property
    def pool(self) -> IntArray:
        """Blocks of the partial maxima across rows."""
        pool = self.stage.pool
        if pool is None:
            return np.zeros_like(self.par.run)
        width = self.drain_channels * self.drain_segments * self.bits
        depth = np.maximum(2, pool.size_out * self._pixel_beats)
        return self._blocks(width, depth) * -(-pool.kernel // pool.stride)

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


def _row_span(count: IntArray, width: int) -> IntArray:
    """Most rows that ``count`` neighbouring pixels touch, in steps of ``count``."""
    anywhere = np.where(count == 1, 1, (count - 2) // width + 2)
    aligned = (count % width == 0) | (width % count == 0)
    return np.minimum(np.where(aligned, ceil_div(count, width), anywhere), width)


def _log2(values: IntArray) -> IntArray:
    """The logarithm, rounded down."""
    return np.asarray(np.frexp(values)[1] - 1).astype(np.int64)


def _power(values: IntArray) -> IntArray:
    """The least power of two that is no less."""
    return np.asarray(1 << (_log2(2 * values - 1)))
