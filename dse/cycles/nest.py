"""What the cycles of a convolution depend on, and its loop nest."""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.instruction import Instruction
from dse.cycles.tap_walk import TapWalk
from hw.isa import TRANSFORM_OF, Algorithm, Dataflow
from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.transforms import Transform


@dataclass(frozen=True, kw_only=True)
class ConvWork:
    """A CONV; fields as the instruction's.

    transform : Winograd: which one; pixels are tiles then. taps : kn2row, WS: the walk that leaves
    out pixels.
    """

    dataflow: Dataflow
    pixels: int
    channels: int
    chunks: int
    pixel_tile: int
    channel_tile: int
    replay: bool = False
    residual: bool = False
    tag: int = 0
    taps: TapWalk | None = None
    transform: Transform | None = None
    patches: int = 0
    out_width: int = 0
    out_rows: int = 0
    image_width: int = 0

    @classmethod
    def of(cls, instruction: Instruction, config: OverlayConfig) -> ConvWork:
        field = instruction.field
        algorithm, flow = Algorithm(field("algorithm")), Dataflow(field("dataflow"))
        skips = algorithm is Algorithm.KN2ROW and flow is Dataflow.WS
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
            taps=TapWalk.of(instruction, config) if skips else None,
            transform=TRANSFORM_OF.get(algorithm),
            patches=field("patches"),
            out_width=field("out_width"),
            out_rows=field("out_rows"),
            image_width=field("image_width"),
        )

    @property
    def exact(self) -> bool:
        """Two lanes: an all-zero wave heads each chunk, also in WS."""
        return self.taps is not None or self.transform is not None


class Nest:
    """`hw.lib.tiles.Tiles`: where in its loops a unit stands."""

    __slots__ = ("channels", "chunks", "layer", "pixels")

    def __init__(self, layer: ConvWork) -> None:
        self.layer = layer
        self.pixels, self.channels, self.chunks = layer.pixels, layer.channels, layer.chunks

    @property
    def tile_pixels(self) -> int:
        return min(self.pixels, self.layer.pixel_tile)

    @property
    def tile_channels(self) -> int:
        return min(self.channels, self.layer.channel_tile)

    @property
    def first_chunk(self) -> bool:
        return self.chunks == self.layer.chunks

    @property
    def last_chunk(self) -> bool:
        return self.chunks == 1

    @property
    def first_pixels(self) -> bool:
        return self.pixels == self.layer.pixels

    @property
    def last_pixels(self) -> bool:
        return self.pixels <= self.layer.pixel_tile

    @property
    def last_channels(self) -> bool:
        return self.channels <= self.layer.channel_tile

    @property
    def final(self) -> bool:
        return self.last_chunk and self.last_pixels and self.last_channels

    @property
    def ends_weights(self) -> bool:
        """The chunk's weights are the last of a segment; Winograd's are one for all channels."""
        return self.last_chunk and (self.last_channels or self.layer.transform is None)

    def places(self) -> tuple[int, int]:
        """kn2row, WS: steps without a place before this chunk, and its places."""
        layer = self.layer
        if layer.taps is None or self.first_chunk or self.last_chunk:
            return 0, self.tile_pixels
        number, first = layer.chunks - self.chunks, layer.pixels - self.pixels
        return layer.taps.chunk(number, first, self.tile_pixels)

    def next_tile(self) -> None:
        """Behind a tile's last chunk; Winograd has the pixel tiles outside."""
        layer = self.layer
        self.chunks = layer.chunks
        outside = layer.transform is not None
        last_pixels, last_channels = self.last_pixels, self.last_channels
        if not outside or last_channels:
            self.pixels = layer.pixels if last_pixels else self.pixels - layer.pixel_tile
        if outside or last_pixels:
            self.channels = layer.channels if last_channels else self.channels - layer.channel_tile

    def advance(self) -> None:
        if self.chunks > 1:
            self.chunks -= 1
        else:
            self.next_tile()

    def groups(self, columns: int) -> int:
        """Words of C channels that hold the tile's channels."""
        return ceil_div(self.tile_channels, columns)
