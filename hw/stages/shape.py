"""What a stage of a layer pipeline is: its layer, its parallelisms, and all that follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hw.isa.config import ceil_div
from hw.isa.timing import DRAIN_LATENCY, REQUANTISE_LATENCY, operand_latency
from hw.lib.emit import WIDEST, TooWideError
from hw.lib.sizes import check_sizes
from hw.stages.map_link import MapLink
from hw.stages.product_pair import PACKED_BITS, borders_part_pairs, dot_latency
from hw.stages.scheme import Scheme
from hw.stages.stage_loops import StageLoops

BLOCK_PRODUCTS = 8  # from so many on, a dot product is worth a simulator's block of its own
STEP_TURN_CYCLES = 16  # allowed for handing room back: of results, of weights
ACCUMULATOR_LIMIT = 47  # bits: what a DSP slice's 48 hold with the sign of a bias to spare


@dataclass(frozen=True, kw_only=True)
class StageShape(StageLoops):
    """One stage: what `StageLoops` says, its weights, products and results."""

    def __post_init__(self) -> None:
        check_sizes(
            1,
            n_in=self.n_in,
            n_out=self.n_out,
            size_in=self.size_in,
            size_out=self.size_out,
            kernel=self.kernel,
            stride=self.stride,
            groups=self.groups,
        )
        check_sizes(0, self.kernel - 1, pad=self.pad)
        check_sizes(1, self.n_in, para_in=self.para_in)
        check_sizes(1, self.n_out, para_out=self.para_out)
        check_sizes(1, self.pixels, para_seg=self.para_seg)
        if self.bits not in (8, 16):
            raise ValueError(f"bits must be 8 or 16, not {self.bits!r}")
        if self.packed and self.bits != PACKED_BITS:
            raise ValueError(f"packed products have {PACKED_BITS} bits, not {self.bits!r}")
        if self.size_out != (self.size_in + 2 * self.pad - self.kernel) // self.stride + 1:
            raise ValueError(f"size_out must follow from the window, not {self.size_out!r}")
        if self.n_out % self.groups:
            raise ValueError(f"groups must divide {self.n_out} channels, not {self.groups!r}")
        if (self.source.channels, self.source.size) != (self.n_in * self.groups, self.size_in):
            raise ValueError(f"source must carry the layer's input, not {self.source!r}")
        if self.images not in (1, self.pixels) or (self.images > 1 and self.kernel > 1):
            raise ValueError(f"images must be 1, or pixels of a unit kernel, not {self.images!r}")
        if self.flattens and self.source != self.flattens.flattened(self.size_in):
            raise ValueError(f"source must be what it flattens, in line, not {self.source!r}")
        if self.groups > 1 and self.n_in % self.source.width:
            raise ValueError(
                f"a source's width must divide {self.n_in} channels, not {self.source.width!r}"
            )
        if self.scheme is Scheme.MAP and self.drain_segments > 1:
            raise ValueError(
                f"stage {self.name}: {self.para_seg} segments need {self.para_seg} cycles to leave,"
                f" a pass has {self.wave_cycles}; take fewer segments or another scheme"
            )
        together = self.drain_channels * self.drain_segments
        if together * self.accumulator_bits >= WIDEST:
            raise TooWideError(
                f"stage {self.name}: {together:,} sums of {self.accumulator_bits} bits leave in a "
                f"cycle, {WIDEST:,} bits are too wide to be built; take fewer multipliers"
            )
        if self.source.tile < self.source.channels and self.scheme is not Scheme.MAP:
            raise ValueError(f"stage {self.name}: a map that comes in tiles needs scheme MAP")
        if self.beat_channels % self.out_width:
            raise ValueError(
                f"out_width must divide a beat of {self.beat_channels}, not {self.out_width!r}"
            )
        if self.accumulator_bits > ACCUMULATOR_LIMIT:
            raise ValueError(f"stage {self.name}: sums of {self.accumulator_bits} bits")

    # Weights.

    @cached_property
    def weight_tiles(self) -> int:
        """Tiles of weights that are kept: all of them, or one in use and those that arrive.

        A row is replaced once it is handed back; where that takes longer than the pass in which
        its tile is done with, more tiles are on their way.
        """
        if self.scheme is Scheme.LINE:
            return self.tiles
        late = max(0, STEP_TURN_CYCLES - self.wave_cycles)
        return 2 + ceil_div(late, self.wave_cycles * min(self.step_passes, self.last_passes))

    @cached_property
    def weight_depth(self) -> int:
        """Rows of weights."""
        return self.wave_cycles * self.weight_tiles

    @cached_property
    def weight_beat(self) -> int:
        """Weights that arrive in a cycle: the least part of a row that is fast enough."""
        lanes = self.para_in * self.para_out
        if self.scheme is Scheme.LINE:
            return 1
        least = ceil_div(lanes, min(self.step_passes, self.last_passes))
        return next(beat for beat in range(least, lanes + 1) if lanes % beat == 0)

    @cached_property
    def weight_pieces(self) -> int:
        """Beats of a row of weights."""
        return self.para_in * self.para_out // self.weight_beat

    # Products.

    @property
    def dot_latency(self) -> int:
        """From the operands of a product to the sum of all, less a cycle a product."""
        return dot_latency(self.packed)

    @cached_property
    def pair_channels(self) -> int:
        """Channels of a multiplier: two that have an activation in common, if that saves most."""
        parted = borders_part_pairs(n_out=self.n_out, groups=self.groups, para_out=self.para_out)
        by_channel = ceil_div(self.para_out, 2) * self.para_seg
        by_segment = self.para_out * ceil_div(self.para_seg, 2)
        return 2 if self.packed and not parted and by_channel <= by_segment else 1

    @property
    def pair_segments(self) -> int:
        """Segments of a multiplier: else two that have a weight in common."""
        return 2 if self.packed and self.pair_channels == 1 else 1

    @property
    def multipliers(self) -> int:
        """Multipliers of the segments; the last of an odd number has one product only."""
        channels = ceil_div(self.para_out, self.pair_channels)
        return self.para_in * channels * ceil_div(self.para_seg, self.pair_segments)

    # Results.

    @cached_property
    def accumulator_bits(self) -> int:
        """Bits of a sum with its bias."""
        terms = self.n_in * self.taps
        return 2 * self.bits + (terms - 1).bit_length()

    @cached_property
    def drain_segments(self) -> int:
        """Segments whose results leave at once."""
        return ceil_div(self.para_seg, self.wave_cycles)

    @cached_property
    def drain_channels(self) -> int:
        """Channels that leave at once: the least divisor of a tile that is fast enough."""
        fit = (
            width
            for width in range(1, self.para_out + 1)
            if self.para_out % width == 0
            and self.para_seg * (self.para_out // width) <= self.wave_cycles
        )
        return next(fit, self.para_out)

    @cached_property
    def parameter_rows(self) -> int:
        """Beats of channels of all tiles."""
        return self.tiles * (self.para_out // self.drain_channels)

    @cached_property
    def drain_beats(self) -> int:
        """Cycles in which the results of a pass leave."""
        channels = self.para_out // self.drain_channels
        return ceil_div(self.para_seg, self.drain_segments) * channels

    @property
    def weights_stay(self) -> bool:
        """Weights are loaded once."""
        return self.scheme is Scheme.LINE

    @property
    def reorders(self) -> bool:
        """Results of a step are put in the order of pixels."""
        return self.scheme is not Scheme.MAP

    @cached_property
    def beat_channels(self) -> int:
        """Channels of a beat behind the drain and the step buffer."""
        return self.drain_channels * self.drain_segments

    @cached_property
    def pixel_beats(self) -> int:
        """Such beats of a pixel, of all channels or of a tile."""
        return ceil_div(self.n_out if self.reorders else self.para_out, self.beat_channels)

    @cached_property
    def short_channels(self) -> int:
        """Channels of the beat that holds the map's last one."""
        return (
            (self.n_out - 1) % self.para_out % self.beat_channels + 1
            if not self.reorders
            else ((self.n_out - 1) % self.beat_channels + 1)
        )

    @property
    def hier_segments(self) -> bool:
        """A simulator builds segments apart, not dot products."""
        return self.para_in < BLOCK_PRODUCTS

    @cached_property
    def step_words(self) -> int:
        """Words of a step in one bank of the step buffer."""
        pixels = ceil_div(self.para_seg, self.drain_segments) * self.step_passes
        return pixels * self.stored_beats

    @cached_property
    def stored_beats(self) -> int:
        """Words of a pixel in the step buffer."""
        if self.drain_segments > 1:
            return ceil_div(self.tiles, self.drain_segments)
        return self.tiles * (self.para_out // self.drain_channels)

    @cached_property
    def result_latency(self) -> int:
        """From a pass's last wave, bound, to its last result in the buffer behind the drain."""
        fixed = self.dot_latency + DRAIN_LATENCY + REQUANTISE_LATENCY
        return self.operand_latency + self.para_in + fixed + self.drain_beats

    @cached_property
    def slices(self) -> int:
        """Parts of a stored word, one of which is read at a time."""
        return self.row_lanes // self.para_in

    @cached_property
    def operand_latency(self) -> int:
        """From a wave to its operands."""
        return operand_latency(self.para_seg, edges=bool(self.edge_columns), sliced=self.slices > 1)

    # Sending.

    @cached_property
    def walked(self) -> int:
        """Rows, and columns, that pooling walks over, or of the map."""
        return self.pool.walked(self.size_out) if self.pool else self.size_out

    def _more_beats(self, channels: int) -> int:
        """Beats of a pixel of so many channels, beyond one for each beat behind the drain."""
        return ceil_div(channels, self.out_width) - ceil_div(channels, self.beat_channels)

    def send_cycles(self, channels: int) -> int:
        """Cycles in which so many channels of an image leave: a beat that is pooled or sent each.

        Pooling waits while a result is sent in narrower beats.
        """
        return self.walked**2 * self.pixel_beats + self.target.size**2 * self._more_beats(channels)

    @cached_property
    def send_burst(self) -> int:
        """Cycles by which sending may lag for a while: results wait that long.

        Pooling walks over rows behind the map, and some rows give results, others none.
        """
        channels = self.n_out if self.reorders else min(self.para_out, self.n_out)
        row = self.walked * self.pixel_beats + self.target.size * self._more_beats(channels)
        tiles = self.tiles if self.reorders else 1
        computed = self.size_out * self.wave_cycles * tiles // self.para_seg
        behind = (self.walked - self.size_out) * self.walked * self.pixel_beats
        return behind + max(0, row - computed)

    @cached_property
    def period(self) -> int:
        """Cycles from an image to the next, if neighbours and weights keep up."""
        if self.reorders:
            return max(self.source.beats, self.cycles, self.send_cycles(self.n_out))
        tile = self.wave_cycles * self.passes
        rest = self.n_out - (self.tiles - 1) * self.para_out
        full = max(tile, self.send_cycles(self.para_out))
        last = max(tile, self.send_cycles(rest))
        return max(self.source.beats, full * (self.tiles - 1) + last)

    @cached_property
    def step_slots(self) -> int:
        """Steps that the step buffer holds: one being written, and those not yet read."""
        step_pass = self.wave_cycles * self.tiles
        reading = self.para_seg * self.step_passes * self.pixel_beats
        late = self.result_latency + reading + self.send_burst + STEP_TURN_CYCLES
        late -= step_pass * self.last_passes
        return 2 + ceil_div(max(0, late), step_pass * self.step_passes)

    @cached_property
    def queue_depth(self) -> int:
        """Beats that the queue of a MAP stage holds: a pass, and those under way."""
        late = self.result_latency + self.send_burst + STEP_TURN_CYCLES
        return max(2, self.drain_beats * (1 + ceil_div(late, self.wave_cycles)))

    @property
    def arrives(self) -> MapLink:
        """How the stage before sends: the source, or the map that a pixel of it is."""
        return self.flattens or self.source

    @cached_property
    def target(self) -> MapLink:
        """How the result leaves."""
        return MapLink(
            channels=self.n_out,
            size=self.pool.size_out if self.pool else self.size_out,
            tile=self.n_out if self.reorders else min(self.para_out, self.n_out),
            width=self.out_width,
        )
