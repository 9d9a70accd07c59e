"""The writer: which words it takes, when, and which of them it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dse.cycles.line import FOREVER, Line
from dse.cycles.nest import ConvWork, Nest
from dse.cycles.results import Results
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import RETIRE_LATENCY, WRITER_LATENCY
from hw.isa.transforms import Transform


@dataclass(frozen=True)
class Words:
    """So many words, one a cycle, behind a pause; ``inside``: they are written."""

    pause: int
    count: int
    inside: bool = True


def words(layer: ConvWork, columns: int) -> Iterator[Words]:
    """All words of a layer; the first pause counts from the cycle after the instruction."""
    if layer.transform is not None:
        return _tiles(layer, layer.transform, columns)
    return _pixels(layer, columns)


def _pixels(layer: ConvWork, columns: int) -> Iterator[Words]:
    """In the states IMAGE (at the image's first pixel), TILE and CLIMB (NS) between two tiles."""
    nest, image = Nest(layer), 1
    climbs = layer.dataflow is Dataflow.NS
    while True:
        pixels = nest.tile_pixels
        yield Words(image + (pixels if climbs else 1), pixels * nest.groups(columns))
        if nest.last_pixels and nest.last_channels:
            return
        image = int(nest.last_pixels)
        nest.next_tile()


def _tiles(layer: ConvWork, transform: Transform, columns: int) -> Iterator[Words]:
    """`hw.conv.write.output_tiles.OutputTiles`: pixels outside the image are dropped, and a cycle
    behind the words of a pixel tile's channels."""
    nest, pause = Nest(layer), 1
    while True:
        first = layer.pixels - nest.pixels
        for _ in range(nest.groups(columns)):
            for tile in range(first, first + nest.tile_pixels):
                for found in _tile(layer, transform, tile):
                    yield Words(pause, *found)
                    pause = 0
            pause = 1
        if nest.last_pixels and nest.last_channels:
            return
        nest.next_tile()


def _tile(layer: ConvWork, transform: Transform, tile: int) -> Iterator[tuple[int, bool]]:
    """Words of a tile, and whether they are in the image."""
    rows, columns = transform.y.m, transform.x.m
    row, column = divmod(tile, layer.out_width)
    height = min(rows, layer.out_rows - rows * row)
    width = min(columns, layer.image_width - columns * column)
    if width == columns:
        yield columns * height, True
    else:
        for _ in range(height):
            yield width, True
            yield columns - width, False
    if height < rows:
        yield columns * (rows - height), False


class Writer:
    """`hw.conv.write.result_writer.Writer`, behind the output FIFO."""

    def __init__(self, config: OverlayConfig) -> None:
        self._config = config
        self._layer: ConvWork | None = None
        self._words: Iterator[Words] = iter(())
        self._inside = True
        self._level = 0
        self._left = 0  # words that go alike
        self._pause = 0
        self._retire = -1
        self._writes = Line(WRITER_LATENCY)
        self.takes = False
        self.retires = False

    @property
    def ready(self) -> bool:
        return self._layer is None

    @property
    def writes(self) -> bool:
        return self._writes.active

    @property
    def reads(self) -> bool:
        """The residual."""
        return self.takes and self._layer is not None and self._layer.residual

    def plan(self, now: int, results: Results) -> int:
        self._writes.look(now)
        self.takes = self.retires = False
        horizon = 1 if results.active and not self._level else FOREVER
        if self._layer is None:
            return horizon
        if self._retire >= now:
            self.retires = self._retire == now
            return min(horizon, max(1, self._retire - now))
        if self._pause:
            return min(horizon, self._pause)
        if not self._level:
            return horizon
        self.takes = True
        return min(horizon, self._left, FOREVER if results.active else self._level)

    def write_horizon(self, now: int) -> int:
        """How long it goes on writing, or does not."""
        return self._writes.horizon(now, enters=self.takes and self._inside)

    def step(self, now: int, cycles: int, results: Results) -> None:
        self._pause = max(0, self._pause - cycles)
        if results.active:
            self._level += cycles
        if self.retires:
            self._layer = None
        if not self.takes:
            return
        self._level -= cycles
        self._left -= cycles
        if self._inside:
            self._writes.push(now, cycles)
        if not self._left and not self._next():
            self._retire = now + cycles - 1 + RETIRE_LATENCY

    def _next(self) -> bool:
        """Whether there are further words."""
        found = next(self._words, None)
        if found is None:
            return False
        self._pause, self._left, self._inside = found.pause, found.count, found.inside
        return True

    def accept(self, layer: ConvWork) -> None:
        """After ``step``."""
        self._layer, self._words = layer, words(layer, self._config.columns)
        self._next()
