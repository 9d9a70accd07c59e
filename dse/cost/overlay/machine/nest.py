"""The loop nest of a convolution and the constants of its pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from dse.program.instruction import Instruction
from hw.array.array import foot_delay
from hw.array.foot import FOOT_LATENCY
from hw.array.parameters import burst_cycles
from hw.config import OverlayConfig, ceil_div
from hw.engines.weight_buffer import READ_LATENCY as POP_LATENCY
from hw.isa import Algorithm, Dataflow
from hw.memory import READ_LATENCY
from hw.window import WALK_LATENCY
from hw.writer import WRITER_LATENCY

QUEUE_LATENCY = 2  # of a queue in block RAM
FEED_START = 2 + WALK_LATENCY  # accepted, started; then the first place
FEED_LATENCY = READ_LATENCY + 1  # from the request to the write into the activation FIFO
RETIRE_LATENCY = WRITER_LATENCY + 1  # from the last word taken to the retirement


@dataclass(frozen=True)
class Latencies:
    """What a configuration's pipeline takes, in cycles.

    word : from a wave to its word at the writer (WS, NS). group : from a group's last wave to the
    first of its words (IS). travel : between waves that take parameters. margin : from the start of
    a parameter burst to the first wave that may use it.
    """

    word: int
    group: int
    travel: int
    margin: int

    @classmethod
    def of(cls, config: OverlayConfig) -> Latencies:
        travel = foot_delay(config)
        results = POP_LATENCY + travel + FOOT_LATENCY
        return cls(
            word=results + config.columns + QUEUE_LATENCY,
            group=results + 1 + QUEUE_LATENCY,
            travel=travel,
            margin=max(1, burst_cycles(config) + 1 - travel),
        )


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What the cycles of a CONV depend on; fields as the instruction's."""

    dataflow: Dataflow
    pixels: int
    channels: int
    chunks: int
    pixel_tile: int
    channel_tile: int
    replay: bool = False
    residual: bool = False
    tag: int = 0

    @classmethod
    def of(cls, instruction: Instruction) -> Layer:
        field = instruction.field
        algorithm, flow = Algorithm(field("algorithm")), Dataflow(field("dataflow"))
        if algorithm is not Algorithm.IM2COL and (
            algorithm is not Algorithm.KN2ROW or flow is Dataflow.WS
        ):
            raise NotImplementedError(
                f"cycles of {algorithm.name} with {flow.name} are not modelled: use the RTL"
            )
        return cls(
            dataflow=flow,
            pixels=field("pixels"),
            channels=field("channels"),
            chunks=field("chunks"),
            pixel_tile=field("pixel_tile"),
            channel_tile=field("channel_tile"),
            replay=bool(field("replay")),
            residual=bool(field("residual")),
            tag=field("tag"),
        )

    @property
    def channel_tiles(self) -> int:
        return ceil_div(self.channels, self.channel_tile)

    @property
    def pixel_tiles(self) -> int:
        return ceil_div(self.pixels, self.pixel_tile)

    def words(self, config: OverlayConfig) -> int:
        """Activation words that the feeder reads."""
        pixels = self.pixels
        if self.dataflow is Dataflow.NS:
            pixels = self.pixel_tiles * config.rows
        return self.channel_tiles * self.chunks * pixels


class Nest:
    """`hw.sequence.tiles.Tiles`."""

    __slots__ = ("_layer", "channels", "chunks", "pixels")

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self.pixels, self.channels, self.chunks = layer.pixels, layer.channels, layer.chunks

    @property
    def tile_pixels(self) -> int:
        return min(self.pixels, self._layer.pixel_tile)

    @property
    def tile_channels(self) -> int:
        return min(self.channels, self._layer.channel_tile)

    @property
    def first_chunk(self) -> bool:
        return self.chunks == self._layer.chunks

    @property
    def last_chunk(self) -> bool:
        return self.chunks == 1

    @property
    def first_pixels(self) -> bool:
        return self.pixels == self._layer.pixels

    @property
    def last_pixels(self) -> bool:
        return self.pixels <= self._layer.pixel_tile

    @property
    def last_channels(self) -> bool:
        return self.channels <= self._layer.channel_tile

    @property
    def final(self) -> bool:
        return self.last_chunk and self.last_pixels and self.last_channels

    def advance(self) -> None:
        layer = self._layer
        if self.chunks > 1:
            self.chunks -= 1
            return
        self.chunks = layer.chunks
        if not self.last_pixels:
            self.pixels -= layer.pixel_tile
            return
        self.pixels = layer.pixels
        self.channels -= layer.channel_tile
