"""The feeder: which words it asks for, and when; they arrive in the FIFO or in the scratch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from dse.cycles.buffer import Buffer, Scratch
from dse.cycles.latencies import block_latency
from dse.cycles.line import FOREVER, Line
from dse.cycles.nest import ConvWork, Nest
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.timing import (
    FEED_LATENCY,
    FITS_LATENCY,
    FREE_LATENCY,
    PATCH_LATENCY,
    TAP_BEGIN,
    TAP_CHUNK,
    WALK_LATENCY,
    input_switch_gap,
)
from hw.isa.transforms import Transform

OFFERED = 2  # places: one that is walked, and one that waits behind it


@dataclass(frozen=True)
class Stretch:
    """So many places, one a cycle, behind a pause; Winograd's are a block of the scratch."""

    pause: int
    places: int


def runs(layer: ConvWork, config: OverlayConfig) -> Iterator[Stretch]:
    """All places of a layer; the first pause counts from the cycle after the instruction."""
    if layer.transform is not None:
        return _blocks(layer, layer.transform.elements)
    if layer.taps is not None:
        return _chunks(layer)
    pixels = layer.pixels
    if layer.dataflow is Dataflow.NS:
        pixels = ceil_div(pixels, layer.pixel_tile) * config.rows
    tiles = ceil_div(layer.channels, layer.channel_tile)
    return iter([Stretch(WALK_LATENCY, tiles * layer.chunks * pixels)])


def _blocks(layer: ConvWork, elements: int) -> Iterator[Stretch]:
    """Patches, a patch walk behind the window walk."""
    pause = WALK_LATENCY + FITS_LATENCY + PATCH_LATENCY
    for first in range(0, layer.pixels, layer.pixel_tile):
        words = min(layer.pixel_tile, layer.pixels - first) * elements
        for _ in range(layer.patches):
            yield Stretch(pause, words)
            pause = 0


def _chunks(layer: ConvWork) -> Iterator[Stretch]:
    nest, pause = Nest(layer), TAP_BEGIN
    while True:
        skipped, places = nest.places()
        yield Stretch(pause + TAP_CHUNK + skipped, places)
        if nest.final:
            return
        nest.advance()
        pause = 0


class Feeder:
    """`hw.conv.feed.feeder.Feeder` with the activation FIFO and Winograd's input transform."""

    def __init__(self, config: OverlayConfig, activations: Buffer, scratch: Scratch) -> None:
        self._config = config
        self._activations, self._scratch = activations, scratch
        self._arrivals = Line(FEED_LATENCY)
        self._room = config.activation_depth
        self._gap = input_switch_gap(config.transforms) if config.transforms else 0
        self._transform: Transform | None = None  # of the last layer
        self._runs: Iterator[Stretch] = iter(())
        self._run: Stretch | None = None  # whose places are walked
        self._pause = 0
        self._left = 0  # of its places
        self._offered: deque[bool] = deque()  # places: whether each is its run's last
        self._cooling = 0  # cycles until another transform may follow
        self._free = deque([True] * FREE_LATENCY, FREE_LATENCY)  # in the cycles before

    @property
    def ready(self) -> bool:
        return self._free[0]

    @property
    def _still(self) -> bool:
        """Nothing is walked, and no other transform would follow too soon."""
        return self._run is None and not self._offered and not self._cooling

    @property
    def arriving(self) -> bool:
        return self._arrivals.active

    def look(self, now: int) -> int:
        self._arrivals.look(now)
        changes = self._still != self._free[-1] or self._free[0] != self._free[-1]
        return 1 if changes else self._scratch.horizon(now)

    def plan(self, now: int, *, granted: bool) -> int:
        """``granted``: nobody else reads."""
        patches, pops = self._transform is not None, self._activations.pops
        room = FOREVER if patches else self._room
        self._takes = bool(self._offered) and granted and room > 0
        self._completes = patches and self._takes and self._offered[0]
        horizon = self._arrivals.horizon(now, enters=self._takes and not patches)
        horizon = min(horizon, self._pause or FOREVER, self._cooling or FOREVER)
        blocked = self._plan_walk()
        if self._takes:
            if self._completes or not self._walks:
                return 1
            return min(horizon, self._left, FOREVER if pops else room)
        if self._offered and not self._walks:
            return 1 if not room and pops else min(horizon, blocked)
        return 1 if self._walks else min(horizon, blocked)

    def _plan_walk(self) -> int:
        """Whether a place is walked; how long its block is the only thing that is missing."""
        run = self._run
        free = len(self._offered) < OFFERED
        self._walks = run is not None and not self._pause and free
        if not self._walks or run is None or self._transform is None or self._left < run.places:
            return FOREVER
        wait = self._scratch.wait(run.places)
        self._walks = not wait
        return wait or FOREVER

    def step(self, now: int, cycles: int) -> None:
        patches = self._transform is not None
        self._free.append(self._still)
        self._cooling = max(0, self._cooling - cycles)
        if self._offered and patches:
            self._cooling = self._gap
        if self._activations.pops:
            self._room += cycles
        arrived = self._arrivals.active
        if self._takes and not patches:
            self._room -= cycles
            self._arrivals.push(now, cycles)
        self._activations.step(cycles, cycles if arrived else 0, int(arrived))
        self._scratch.arrive(now, cycles)
        if self._transform is not None and self._completes:
            self._scratch.complete(now + block_latency(self._transform))
        self._pause = max(0, self._pause - cycles)
        if self._takes:
            self._offered.popleft()
        if self._walks:
            self._walk(cycles)

    def _walk(self, cycles: int) -> None:
        run = self._run
        assert run is not None
        if self._transform is not None and self._left == run.places:
            self._scratch.reserve(run.places)
        self._left -= cycles
        self._offered.append(not self._left)
        if not self._left:
            self._next()

    def _next(self) -> None:
        self._run = next(self._runs, None)
        if self._run is not None:
            self._pause, self._left = self._run.pause, self._run.places

    def accept(self, layer: ConvWork) -> None:
        """After ``step``."""
        self._transform, self._runs = layer.transform, runs(layer, self._config)
        self._free[-1] = False
        self._next()
