"""The convolution engine: feeder, sequencer, writer, and their instruction queues."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dse.cost.overlay.machine.flow import Issuer
from dse.cost.overlay.machine.line import FOREVER, Line
from dse.cost.overlay.machine.nest import (
    FEED_LATENCY,
    FEED_START,
    RETIRE_LATENCY,
    Layer,
    Nest,
)
from dse.cost.overlay.machine.sequence import Loader, Streamer, Waves
from dse.cost.overlay.machine.weights import WeightBuffer
from hw.config import OverlayConfig, ceil_div
from hw.conv import INSTRUCTIONS
from hw.isa import Dataflow
from hw.writer import WRITER_LATENCY


class Feeder:
    """`hw.feeder.Feeder` with the activation FIFO."""

    def __init__(self, config: OverlayConfig, activations: WeightBuffer) -> None:
        self._config = config
        self._activations = activations
        self._arrivals = Line(FEED_LATENCY)
        self._room = config.activation_depth
        self._left = 0  # words
        self._begin = 0  # cycle of the first request
        self._takes = False

    @property
    def ready(self) -> bool:
        return not self._left

    @property
    def arriving(self) -> bool:
        return self._arrivals.active

    def look(self, now: int) -> int:
        self._arrivals.look(now)
        return self._begin - now if self._left and self._begin > now else FOREVER

    def plan(self, now: int, *, granted: bool) -> int:
        """``granted``: nobody else reads."""
        asks = self._left > 0 and now >= self._begin
        self._takes = asks and granted and self._room > 0
        pops = self._activations.pops
        horizon = self._arrivals.horizon(now, enters=self._takes)
        if self._takes:
            return min(horizon, self._left, FOREVER if pops else self._room)
        return 1 if asks and not self._room and pops else horizon

    def step(self, now: int, cycles: int) -> None:
        activations = self._activations
        if activations.pops:
            self._room += cycles
        if self._takes:
            self._room -= cycles
            self._left -= cycles
            self._arrivals.push(now, cycles)
        activations.step(cycles, cycles if self._arrivals.active else 0)

    def accept(self, layer: Layer, now: int) -> None:
        """After ``step``."""
        self._left = layer.words(self._config)
        self._begin = now + FEED_START


class Writer:
    """`hw.writer.Writer`, behind the output FIFO."""

    def __init__(self, config: OverlayConfig) -> None:
        self._config = config
        self._layer: Layer | None = None
        self._nest: Nest | None = None
        self._level = 0
        self._left = 0  # words of the tile
        self._begin = 0  # cycle in which its first word can be taken
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

    def plan(self, now: int, results: Line) -> int:
        self._writes.look(now)
        self.takes = self.retires = False
        horizon = 1 if results.active and not self._level else FOREVER
        if self._layer is None:
            return horizon
        if self._retire >= now:
            self.retires = self._retire == now
            return min(horizon, max(1, self._retire - now))
        if self._begin > now:
            return min(horizon, self._begin - now)
        if not self._level:
            return horizon
        self.takes = True
        return min(horizon, self._left, FOREVER if results.active else self._level)

    def write_horizon(self, now: int) -> int:
        """How long it goes on writing, or does not."""
        return self._writes.horizon(now, enters=self.takes)

    def step(self, now: int, cycles: int, results: Line) -> None:
        if results.active:
            self._level += cycles
        if self.retires:
            self._layer = None
        if not self.takes:
            return
        self._level -= cycles
        self._left -= cycles
        self._writes.push(now, cycles)
        if not self._left:
            self._next_tile(now + cycles - 1)

    def _next_tile(self, last: int) -> None:
        nest = self._nest
        assert nest is not None
        if nest.final:
            self._retire = last + RETIRE_LATENCY
            return
        image = nest.last_pixels
        nest.advance()
        self._begin_tile(last + 1 + image)

    def _begin_tile(self, climb: int) -> None:
        """``climb``: the cycle in which the writer starts towards the tile's first word."""
        layer, nest = self._layer, self._nest
        assert layer is not None
        assert nest is not None
        pixels = nest.tile_pixels
        self._begin = climb + (pixels if layer.dataflow is Dataflow.NS else 1)
        self._left = pixels * ceil_div(nest.tile_channels, self._config.columns)

    def accept(self, layer: Layer, now: int) -> None:
        """After ``step``."""
        self._layer = layer
        self._nest = Nest(
            Layer(
                dataflow=layer.dataflow,
                pixels=layer.pixels,
                channels=layer.channels,
                chunks=1,
                pixel_tile=layer.pixel_tile,
                channel_tile=layer.channel_tile,
            )
        )
        self._begin_tile(now + 2)


@dataclass
class Split:
    """`hw.sequence.sequencer.Split`: gives an instruction to all, each when it can take it."""

    taken: list[bool]
    now: list[bool] = field(default_factory=list)
    done: bool = False

    def plan(self, ready: list[bool], *, valid: bool) -> int:
        pairs = zip(self.taken, ready, strict=True)
        self.now = [valid and can and not had for had, can in pairs]
        pairs = zip(self.taken, ready, strict=True)
        self.done = all(had or can for had, can in pairs)
        return 1 if any(self.now) or (valid and self.done) else FOREVER

    def step(self, *, valid: bool) -> None:
        if not valid:
            return
        both = zip(self.taken, self.now, strict=True)
        self.taken = [False] * len(self.now) if self.done else [had or now for had, now in both]


class Convolution:
    """`hw.conv.ConvEngine`."""

    def __init__(self, config: OverlayConfig, weights: WeightBuffer, issuer: Issuer) -> None:
        self._issuer = issuer
        self._weights = weights
        activations = WeightBuffer(config.activation_depth)
        self._activations = activations
        self.feeder = Feeder(config, activations)
        self.loader = Loader(config, activations, weights)
        self.streamer = Streamer(config, activations, weights)
        self.writer = Writer(config)
        self._queues: list[deque[Layer]] = [deque() for _ in range(3)]
        self._engine = Split([False] * 3)
        self._sequencer = Split([False] * 2)

    @property
    def waves(self) -> dict[int, Waves]:
        """What the array did, by layer tag."""
        return self.streamer.waves

    def look(self, now: int) -> int:
        """What does not depend on who else uses the tensor memory."""
        results = self.streamer.results
        results.look(now)
        horizon = min(self.feeder.look(now), self.writer.plan(now, results))
        horizon = min(horizon, self.writer.write_horizon(now))
        horizon = min(horizon, self.loader.plan())
        streamed = self.streamer.plan(
            loaded=self.loader.loaded, arriving=self.feeder.arriving, returned=self.writer.takes
        )
        horizon = min(horizon, streamed)
        horizon = min(horizon, self.streamer.result_horizon(now))
        horizon = min(horizon, self._look_instructions())
        self._issuer.accepts = self._engine.done
        self._issuer.retires = self.writer.retires
        return horizon

    def _look_instructions(self) -> int:
        feed, sequence, write = self._queues
        offered = self._issuer.offered
        room = [len(queue) < INSTRUCTIONS for queue in self._queues]
        horizon = self._engine.plan(room, valid=offered is not None)
        head = sequence[0] if sequence else None
        can = [self.loader.ready(head), self.streamer.ready] if head else [False, False]
        horizon = min(horizon, self._sequencer.plan(can, valid=head is not None))
        self._feeds = bool(feed) and self.feeder.ready
        self._writes = bool(write) and self.writer.ready
        return 1 if self._feeds or self._writes else horizon

    def set_ends(self, cycles: int) -> None:
        self.loader.set_ends(cycles)
        self.streamer.set_ends(cycles)

    def step(self, now: int, cycles: int) -> None:
        """After the weight reader has decided; the weight buffer is stepped by it."""
        results = self.streamer.results
        self.writer.step(now, cycles, results)
        self.streamer.step(now, cycles, returned=self.writer.takes)
        self.loader.step(cycles, swap=self.streamer.swap, finish=self.streamer.finish)
        self.feeder.step(now, cycles)
        self._step_instructions(now)

    def _step_instructions(self, now: int) -> None:
        feed, sequence, write = self._queues
        if self._feeds:
            self.feeder.accept(feed.popleft(), now)
        if self._writes:
            self.writer.accept(write.popleft(), now)
        if sequence:
            head = sequence[0]
            loads, streams = self._sequencer.now
            if loads:
                self.loader.accept(head)
            if streams:
                self.streamer.accept(head)
            if self._sequencer.done:
                sequence.popleft()
            self._sequencer.step(valid=True)
        offered = self._issuer.offered
        if offered is not None:
            layer = Layer.of(offered)
            for queue, takes in zip(self._queues, self._engine.now, strict=True):
                if takes:
                    queue.append(layer)
            self._engine.step(valid=True)
