"""Where the numbers of a stage lie in memory, and how beats of the bus hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hw.bus.axi import MAX_BURST, check_data_bytes
from hw.isa.config import MAX_WEIGHT_PORTS, ceil_div
from hw.lib.sizes import check_sizes
from hw.stages.shape import StageShape
from hw.stages.stage_parameters import parameter_bits

LEAST_CHUNK = 16  # beats: what a stage asks for at once
POLLING = 4  # cycles that a chunk has, beside one for each stage, for its way to the bus
COVERED = 128  # cycles of a memory's latency in which a stage's beats last


@dataclass(frozen=True, kw_only=True)
class WeightBus:
    """The AXI4 masters that parameters and weights are striped over.

    Parameters
    ----------
    ports : masters. data_bytes : of a beat of one.
    """

    ports: int = 1
    data_bytes: int = 64

    def __post_init__(self) -> None:
        check_sizes(1, MAX_WEIGHT_PORTS, ports=self.ports)
        check_data_bytes(self.data_bytes)

    @property
    def beat_bits(self) -> int:
        """Bits of a beat of all masters together."""
        return 8 * self.ports * self.data_bytes


@dataclass(frozen=True, kw_only=True)
class WordPacking:
    """Words in beats: several whole ones in each beat, or one in several beats.

    Parameters
    ----------
    words : of one reading. word_bits, beat_bits : their widths.
    most : words of a beat, at most; None: as many as there is room for.
    """

    words: int
    word_bits: int
    beat_bits: int
    most: int | None = None

    @cached_property
    def per_beat(self) -> int:
        """Words of a beat."""
        room = max(1, self.beat_bits // self.word_bits)
        return min(room, self.words, self.most or room)

    @cached_property
    def word_beats(self) -> int:
        """Beats of a word."""
        return ceil_div(self.word_bits, self.beat_bits)

    @cached_property
    def beats(self) -> int:
        """Beats of one reading."""
        return ceil_div(self.words, self.per_beat) * self.word_beats

    @cached_property
    def last_words(self) -> int:
        """Words of the last beat."""
        return self.words - (ceil_div(self.words, self.per_beat) - 1) * self.per_beat


@dataclass(frozen=True, kw_only=True)
class WeightRegion:
    """A stage's part of the memory: its parameters, which come once, and its weights behind them.

    All is counted in beats of the bus, which is as wide as all ports together.  Both parts begin at
    multiples of a chunk.

    Parameters
    ----------
    parameters, weights : how they are packed; a beat has one record of parameters.
    stays : weights come once, too; else again and again.
    start : beats before the region. chunk : beats that are asked for at once.
    depth : beats that wait for the stage or are on their way to it.
    """

    parameters: WordPacking
    weights: WordPacking
    stays: bool
    start: int
    chunk: int
    depth: int

    @property
    def weight_start(self) -> int:
        """Beats before the weights."""
        return self.start + _whole(self.parameters.beats, self.chunk)

    @property
    def end(self) -> int:
        """Beats up to the next region."""
        return self.weight_start + _whole(self.weights.beats, self.chunk)


def chunk_beats(stages: int) -> int:
    """Beats of a chunk: in its time all stages are asked whether they have room."""
    least = max(LEAST_CHUNK, stages + POLLING)
    return min(MAX_BURST, 1 << (least - 1).bit_length())


def weight_regions(stages: Sequence[StageShape], bus: WeightBus) -> tuple[WeightRegion, ...]:
    """The regions of all stages, one behind the other."""
    chunk = chunk_beats(len(stages))
    regions: list[WeightRegion] = []
    for shape in stages:
        weights = WordPacking(
            words=shape.tiles * shape.wave_cycles * shape.weight_pieces,
            word_bits=shape.weight_beat * shape.bits,
            beat_bits=bus.beat_bits,
        )
        readings = 0 if shape.weights_stay else shape.steps
        ahead = ceil_div(COVERED * readings * weights.beats, shape.cycles * chunk)
        regions.append(
            WeightRegion(
                parameters=WordPacking(
                    words=1 + shape.tiles * shape.para_out,
                    word_bits=parameter_bits(shape),
                    beat_bits=bus.beat_bits,
                    most=1,
                ),
                weights=weights,
                stays=shape.weights_stay,
                start=regions[-1].end if regions else 0,
                chunk=chunk,
                depth=chunk * (1 + max(1, ahead)),
            )
        )
    return tuple(regions)


def _whole(beats: int, chunk: int) -> int:
    """So many beats, up to the next chunk."""
    return ceil_div(beats, chunk) * chunk
