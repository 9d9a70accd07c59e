"""Loader and streamer: what moves in the array, and when."""

from __future__ import annotations

from dataclasses import dataclass

from dse.cost.overlay.machine.line import FOREVER, Line
from dse.cost.overlay.machine.nest import Latencies, Layer, Nest
from dse.cost.overlay.machine.weights import WeightBuffer
from hw.array.foot import REUSE_DISTANCE
from hw.config import OverlayConfig
from hw.isa import Dataflow


class Loader:
    """`hw.sequence.loader.Loader`."""

    def __init__(
        self, config: OverlayConfig, activations: WeightBuffer, weights: WeightBuffer
    ) -> None:
        self._config = config
        self._activations, self._weights = activations, weights
        self._layer: Layer | None = None
        self._nest: Nest | None = None  # None: not active
        self._ahead = 0
        self._flow = Dataflow.WS
        self._settle = 0
        self._words = 0
        self._phase = 0
        self._ends = 0  # 1: the burst rewinds at its end, 2: it releases
        self.loaded = False

    def ready(self, layer: Layer) -> bool:
        """Whether it accepts the instruction."""
        follows = layer.dataflow is self._flow and layer.dataflow is not Dataflow.NS
        return self._nest is None and (not self._ahead or (follows and self._ahead == 1))

    def plan(self) -> int:
        config, nest = self._config, self._nest
        self._starts = False
        horizon = FOREVER
        if self._settle:
            horizon = self._settle
        if self._words:
            horizon = min(horizon, self._words)
        elif self._phase:
            horizon = min(horizon, config.rows - self._phase)
        if nest is not None and not (self._settle or self.loaded or self._words or self._phase):
            horizon = min(horizon, self._plan_start(nest))
        if self._words or self._starts:
            self._pop()
        return horizon

    def _plan_start(self, nest: Nest) -> int:
        by_pixel = self._flow is Dataflow.IS
        self._burst = nest.tile_pixels if by_pixel else self._config.rows
        missing = self._burst - (self._activations if by_pixel else self._weights).level
        self._starts = missing <= 0
        return 1 if self._starts else missing

    def _pop(self) -> None:
        layer = self._layer
        assert layer is not None
        if self._flow is Dataflow.IS:
            self._activations.pops = True
            return
        weights = self._weights
        weights.pops, weights.holds = True, layer.replay

    def set_ends(self, cycles: int) -> None:
        """A weight segment ends with the span's last cycle, if that is its last burst's."""
        if self._words and self._words == cycles and self._flow is Dataflow.WS:
            self._weights.rewinds = self._ends == 1
            self._weights.releases = self._ends == 2

    def step(self, cycles: int, *, swap: bool, finish: bool) -> None:
        rows = self._config.rows
        if self._settle:
            self._settle -= cycles
            self.loaded = not self._settle
        if swap:
            self.loaded = False
        if self._words or self._phase or self._starts:
            self._phase = (self._phase + cycles) % rows
        if self._words:
            self._words -= cycles
        self._ahead -= finish
        if self._starts:
            self._start()

    def _start(self) -> None:
        nest, layer = self._nest, self._layer
        assert nest is not None
        assert layer is not None
        self._settle = self._config.tile_cycles - 2
        self._words = self._burst - 1
        ends = layer.replay and nest.last_chunk
        self._ends = (2 if nest.last_pixels else 1) if ends else 0
        if nest.final:
            self._nest = None
        else:
            nest.advance()

    def accept(self, layer: Layer) -> None:
        """After ``step``."""
        self._layer, self._flow = layer, layer.dataflow
        self._ahead += 1
        if layer.dataflow is not Dataflow.NS:
            self._nest = Nest(layer)


class Parameters:
    """`hw.sequence.resources.ParameterSchedule`."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._wanted = False
        self._quiet = 0
        self._arriving = 0
        self.ready = False

    def plan(self) -> int:
        self._loads = self._wanted and not (self._quiet or self.ready or self._arriving)
        if self._loads:
            return 1
        return min(self._quiet or FOREVER, self._arriving or FOREVER)

    def step(self, cycles: int, *, swaps: bool, more: bool) -> None:
        """``swaps``: in every cycle of the span."""
        self._quiet = max(0, self._quiet - cycles)
        if self._arriving:
            self._arriving -= cycles
            self.ready = not self._arriving
        if self._loads:
            self._wanted = False
            self._arriving = self._latencies.margin
        if swaps:
            self._quiet = self._latencies.travel
            self.ready = False
            self._wanted |= more

    def begin(self) -> None:
        """A WS or NS instruction starts; after ``step``."""
        self._wanted = True


@dataclass
class Waves:
    """What a layer's waves did: cycles of the first and after the last one, and how many.

    waiting : cycles between them in which weights were missing.
    """

    first: int = -1
    last: int = 0
    issued: int = 0
    waiting: int = 0


class Streamer:
    """`hw.sequence.streamer.Streamer`, with the array behind it: results appear in ``results``."""

    def __init__(
        self, config: OverlayConfig, activations: WeightBuffer, weights: WeightBuffer
    ) -> None:
        self._config = config
        self._activations, self._weights = activations, weights
        self._latencies = Latencies.of(config)
        self._parameters = Parameters(self._latencies)
        self._layer: Layer | None = None
        self._nest: Nest | None = None
        self._step = 0
        self._wait = 0
        self._head = False
        self._left = 0  # IS: waves of the group
        self._draining = False
        self._room = config.output_depth
        self._spacing = 0
        self.results = Line(self._latencies.word - 1)
        self.swap = False
        self.finish = False
        self.waves: dict[int, Waves] = {}  # by layer tag

    @property
    def ready(self) -> bool:
        return self._nest is None

    @property
    def busy(self) -> bool:
        return self._nest is not None

    def plan(self, *, loaded: bool, arriving: bool, returned: bool) -> int:
        self._count = 0  # waves of the tile that this span's cycles issue, one a cycle
        self._headed = False
        self._begins = False
        self._words = 0  # results that a span's cycles reserve, each
        self.stall = ""
        self.swap = False
        self._takes = False  # parameters
        horizon = self._parameters.plan()
        if self._wait:
            horizon = min(horizon, self._wait)
        if self._nest is None:
            return horizon
        assert self._layer is not None
        plan = _PLANS[self._layer.dataflow]
        return min(horizon, plan(self, self._nest, loaded, arriving, returned))

    def _weight_stationary(self, nest: Nest, loaded: bool, arriving: bool, returned: bool) -> int:
        first = self._step == 0
        if not self._activations.level:
            self.stall = "activation"
            return 1 if arriving else FOREVER
        if first:
            if not loaded or self._wait:
                self.stall = "weight"
                return FOREVER
            takes = nest.first_chunk and nest.first_pixels
            if takes and not self._parameters.ready:
                self.stall = "parameter"
                return FOREVER
        if nest.last_chunk and not self._room:
            self.stall = "output"
            return 1 if returned else FOREVER
        self._count = 1
        self._activations.pops = True
        self._words = int(nest.last_chunk)
        if first:
            self.swap, self._takes = True, takes
            return 1
        horizon = nest.tile_pixels - self._step
        if not arriving:
            horizon = min(horizon, self._activations.level)
        if nest.last_chunk and not returned:
            horizon = min(horizon, self._room)
        return horizon

    def _input_stationary(self, nest: Nest, loaded: bool, arriving: bool, returned: bool) -> int:
        config = self._config
        if not self._left:
            channels = nest.tile_channels
            size = min(channels - self._step, config.columns)
            headed = self._step != 0
            if not headed and config.lanes == 2:
                if not self._head:
                    if not loaded:
                        self.stall = "activation"
                        return FOREVER
                    self._headed = self.swap = True
                    return 1
                headed = not self._wait
            elif not headed:
                headed = loaded and not self._wait
            if not headed:
                self.stall = "activation"
                return FOREVER
            if self._weights.level < size:
                self.stall = "weight"
                return size - self._weights.level
            if nest.last_chunk:
                if self._room < nest.tile_pixels:
                    self.stall = "output"
                    return 1 if returned else FOREVER
                if self._spacing > size:
                    self.stall = "output"
                    return self._spacing - size
            self._begins = True
            self._left = size
        self._count = 1
        self._takes = True
        last = self._step + self._left == nest.tile_channels and nest.last_chunk
        self._pop_weights(nest, last=last)
        if config.lanes == 1 and self._step == 0:
            self.swap = True
            return 1
        return self._left

    def _pop_weights(self, nest: Nest, *, last: bool) -> None:
        layer, weights = self._layer, self._weights
        assert layer is not None
        weights.pops, weights.holds = True, layer.replay
        self._ends = layer.replay and last

    def _non_stationary(self, nest: Nest, loaded: bool, arriving: bool, returned: bool) -> int:
        rows = self._config.rows
        if not self._draining:
            if self._step == 0:
                activations, weights = self._activations.level, self._weights.level
                if activations < rows:
                    self.stall = "activation"
                    return rows - activations
                if weights < rows:
                    self.stall = "weight"
                    return rows - weights
            self._count = 1
            self._activations.pops = True
            self._pop_weights(nest, last=nest.last_chunk)
            return rows - self._step
        if self._step == 0:
            if self._room < nest.tile_pixels:
                self.stall = "output"
                return 1 if returned else FOREVER
            if nest.first_pixels and not self._parameters.ready:
                self.stall = "parameter"
                return FOREVER
            self._takes = nest.first_pixels
        self._count = 1
        silent = rows - nest.tile_pixels - self._step
        self._words = int(silent <= 0)
        if self._takes:
            return 1
        return silent if silent > 0 else rows - self._step

    def result_horizon(self, now: int) -> int:
        """How long words go on coming out of the array, or do not."""
        return self.results.horizon(now, enters=self._words > 0)

    def set_ends(self, cycles: int) -> None:
        """Weight segments end with the span's last cycle, if it is the tile's last."""
        layer, nest = self._layer, self._nest
        if not self._weights.pops or layer is None or nest is None or not self._count:
            return
        if layer.dataflow is Dataflow.WS or not self._ends:
            return
        last = self._left if layer.dataflow is Dataflow.IS else self._config.rows - self._step
        if cycles == last:
            self._weights.rewinds = not nest.last_pixels
            self._weights.releases = nest.last_pixels

    def step(self, now: int, cycles: int, *, returned: bool) -> None:
        nest, layer = self._nest, self._layer
        self.finish = False
        self._wait = max(0, self._wait - cycles)
        spacing = max(0, self._spacing - cycles)
        more = False
        if layer is not None and nest is not None:
            self._record(now, cycles)
        if self._headed:
            self._head = True
        if returned:
            self._room += cycles
        if self._count:
            assert nest is not None
            assert layer is not None
            by_channel = layer.dataflow is Dataflow.IS
            more = not by_channel and not nest.last_channels
            if self._words:
                self._room -= cycles
                spacing = self._config.columns
                self.results.push(now, cycles)
            self._step += cycles
            if by_channel:
                self._left -= cycles
                if not self._left and nest.last_chunk:
                    self._room -= nest.tile_pixels
                    spacing = nest.tile_pixels
                    last = now + cycles - 1
                    earlier = self._latencies.group - self._latencies.word
                    self.results.push(last, nest.tile_pixels, earlier)
        self._spacing = spacing
        self._parameters.step(cycles, swaps=self._takes and self._count > 0, more=more)
        if self._count:
            self._end()

    def _record(self, now: int, cycles: int) -> None:
        assert self._layer is not None
        waves = self.waves.setdefault(self._layer.tag, Waves())
        if self._count or self._headed:
            if not waves.issued:
                waves.first = now
            waves.issued += cycles
            waves.last = now + cycles
        elif waves.issued and self.stall == "weight":
            waves.waiting += cycles

    def _end(self) -> None:
        """After a tile's last wave, and NS: a chunk's or a drain's."""
        nest, layer = self._nest, self._layer
        assert nest is not None
        assert layer is not None
        size = {
            Dataflow.WS: nest.tile_pixels,
            Dataflow.IS: nest.tile_channels,
            Dataflow.NS: self._config.rows,
        }[layer.dataflow]
        if self._step != size:
            return
        self._step = 0
        if layer.dataflow is Dataflow.NS and nest.last_chunk and not self._draining:
            self._draining = True
            return
        self._draining = self._head = False
        if size < REUSE_DISTANCE:
            self._wait = REUSE_DISTANCE - 1
        if nest.final:
            self._nest = None
            self.finish = True
        else:
            nest.advance()

    def accept(self, layer: Layer) -> None:
        """After ``step``."""
        self._layer, self._nest = layer, Nest(layer)
        if layer.dataflow is not Dataflow.IS:
            self._parameters.begin()


_PLANS = {
    Dataflow.WS: Streamer._weight_stationary,
    Dataflow.IS: Streamer._input_stationary,
    Dataflow.NS: Streamer._non_stationary,
}
