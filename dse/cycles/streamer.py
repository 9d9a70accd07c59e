"""The streamer: when waves are issued."""

from __future__ import annotations

from dataclasses import dataclass

from dse.cycles.buffer import Buffer, Scratch
from dse.cycles.drain import Drain, FinishedTile
from dse.cycles.latencies import Latencies
from dse.cycles.line import FOREVER
from dse.cycles.nest import ConvWork, Nest
from dse.cycles.parameter_chain import Parameters
from dse.cycles.results import Results
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import REUSE_DISTANCE
from hw.isa.transforms import Transform


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
    """`hw.conv.sequence.streamer.Streamer`, with the array behind it: see ``results``."""

    def __init__(
        self, config: OverlayConfig, activations: Buffer, scratch: Scratch, weights: Buffer
    ) -> None:
        self._config = config
        self._activations, self._scratch, self._weights = activations, scratch, weights
        latencies = Latencies.of(config)
        self._parameters = Parameters(latencies)
        self.results = Results(config, latencies)
        self._drain = Drain(config, latencies, self._parameters, self.results)
        self._nest: Nest | None = None
        self._last: tuple[Dataflow | None, Transform | None] = None, None
        self._tag = 0
        self._step = 0
        self._size = 0  # waves of the tile's chunk
        self._wait = 0
        self._head = False  # the chunk's all-zero wave has been issued
        self._left = 0  # IS: waves of the group
        self._open = False  # the next tile's first wave need not wait for parameters or a bank
        self._looked = False  # IS: no wave was issued in the cycle before
        self._draining = False  # NS
        self._ends: Buffer | None = None  # what a segment of ends with the chunk's last wave
        self.swap = False
        self.finish = False
        self.waves: dict[int, Waves] = {}  # by layer tag

    def ready(self, layer: ConvWork) -> bool:
        """It takes a layer: once all is drained, unless the same drain serves both, WS."""
        last = self._last
        alike = layer.dataflow is last[0] is Dataflow.WS and layer.transform is last[1]
        drains = alike and layer.transform is not None
        return self._nest is None and (drains or self._drain.idle)

    def plan(self, now: int, *, loaded: bool, arriving: bool, returned: bool) -> int:
        self._count = 0  # waves of the tile that this span's cycles issue, one a cycle
        self._headed = False
        self._takes = False  # parameters
        self._ends = None
        self._bank = self._drain.free
        self.stall = ""
        self.swap = False
        horizon = min(self._parameters.plan(), self._drain.plan(now, returned=returned))
        if self._wait:
            horizon = min(horizon, self._wait)
        nest = self._nest
        if nest is None:
            return horizon
        return min(horizon, _PLANS[nest.layer.dataflow](self, nest, loaded, arriving, returned))

    def _begins(self, nest: Nest, loaded: bool) -> bool:
        """Whether a chunk's first wave finds its shadow; issues the all-zero wave before it."""
        layer = nest.layer
        if self._config.lanes == 2 and (layer.dataflow is Dataflow.IS or layer.exact):
            if not self._head:
                self._headed = self.swap = loaded
                return False
        elif not loaded:
            return False
        return not self._wait

    def _follows(self, nest: Nest) -> bool:
        """Whether this tile's first wave need not wait from the next cycle on."""
        layer = nest.layer
        if layer.transform is not None:
            return self._bank or not nest.first_chunk
        takes = nest.first_chunk and nest.first_pixels and layer.dataflow is not Dataflow.IS
        return self._parameters.ready or not takes

    def _weight_stationary(self, nest: Nest, loaded: bool, arriving: bool, returned: bool) -> int:
        winograd = nest.layer.transform is not None
        words: Buffer = self._scratch if winograd else self._activations
        results = nest.last_chunk and not winograd
        first = self._step == 0
        begins = not first or self._begins(nest, loaded)
        if self._headed:
            return 1
        if not words.level:
            self.stall = "activation"
            return 1 if arriving else FOREVER
        if not begins:
            self.stall = "weight"
            return FOREVER
        takes = first and nest.first_chunk and nest.first_pixels and not winograd
        if first and not self._open:
            self.stall = "parameter"
            return 1 if self._follows(nest) else FOREVER
        if results and not self.results.room:
            self.stall = "output"
            return 1 if returned else FOREVER
        self._count = 1
        words.pop(holds=winograd and not nest.last_channels)
        if winograd and nest.last_chunk and not nest.last_channels:
            self._ends = words
        self.results.waves = results
        if first:
            self._size = nest.places()[1]
            self.swap, self._takes = not self._head, takes
            return 1
        horizon = self._size - self._step
        if winograd or not arriving:
            horizon = min(horizon, words.level)
        if results and not returned:
            horizon = min(horizon, self.results.room)
        return horizon

    def _input_stationary(self, nest: Nest, loaded: bool, arriving: bool, returned: bool) -> int:
        config = self._config
        winograd = nest.layer.transform is not None
        if not self._left:
            self._size = nest.tile_channels
            group = min(self._size - self._step, config.columns)
            if self._step == 0 and not self._begins(nest, loaded):
                self.stall = "activation"
                return 1 if self._headed else FOREVER
            if self._step == 0 and not self._open:
                self.stall = "activation"
                return 1 if self._follows(nest) else FOREVER
            if not self._looked:
                return 1
            if self._weights.seen < group:
                self.stall = "weight"
                return max(1, group - self._weights.level)
            if nest.last_chunk and not winograd:
                if self.results.seen < nest.tile_pixels:
                    return self._await_room(returned)
                if self.results.spacing >= max(group, 1):
                    self.stall = "output"
                    return self.results.spacing + 1 - group
            self._left = group
        self._count = 1
        self._takes = not winograd
        last = self._step + self._left == self._size
        self._pop_weights(nest, ends=last and nest.ends_weights)
        if config.lanes == 1 and self._step == 0:
            self.swap = True
            return 1
        return self._left

    def _await_room(self, returned: bool) -> int:
        self.stall = "output"
        return 1 if returned or self.results.seen < self.results.room else FOREVER

    def _pop_weights(self, nest: Nest, *, ends: bool) -> None:
        replay = nest.layer.replay
        self._weights.pop(holds=replay)
        self._ends = self._weights if replay and ends else None

    def _non_stationary(self, nest: Nest, loaded: bool, arriving: bool, returned: bool) -> int:
        rows = self._config.rows
        self._size = rows
        if not self._draining:
            if self._step == 0:
                if self._activations.seen < rows:
                    self.stall = "activation"
                    return max(1, rows - self._activations.level)
                if self._weights.seen < rows:
                    self.stall = "weight"
                    return max(1, rows - self._weights.level)
            self._count = 1
            self._activations.pop(holds=False)
            self._pop_weights(nest, ends=nest.ends_weights)
            return rows - self._step
        if self._step == 0:
            if self.results.seen < nest.tile_pixels:
                return self._await_room(returned)
            if nest.first_pixels and not self._parameters.ready:
                self.stall = "parameter"
                return FOREVER
            self._takes = nest.first_pixels
        self._count = 1
        silent = rows - nest.tile_pixels - self._step
        self.results.waves = silent <= 0
        if self._takes:
            return 1
        return silent if silent > 0 else rows - self._step

    def set_ends(self, cycles: int) -> None:
        """A segment ends with the span's last cycle, if it is the chunk's last."""
        if self._ends is None or self._nest is None or self._step + cycles != self._size:
            return
        again = self._ends is self._scratch or not self._nest.last_pixels
        self._ends.rewinds, self._ends.releases = again, not again

    def step(self, now: int, cycles: int, *, returned: bool) -> None:
        nest = self._nest
        self.finish = False
        self._wait = max(0, self._wait - cycles)
        if nest is not None:
            self._record(now, cycles)
        self._head |= self._headed
        self.results.step(now, cycles, returned=returned)
        more = nest is not None and not nest.last_channels
        more &= nest is not None and nest.layer.dataflow is not Dataflow.IS
        swaps = self._takes or self._drain.swaps
        self._parameters.step(cycles, swaps=swaps, more=more and not self._drain.swaps)
        self._drain.step(now, cycles)
        if nest is not None:
            self._open = self._follows(nest)
        self._looked = nest is not None and not self._count
        if nest is None or not self._count:
            return
        self._step += cycles
        if nest.layer.dataflow is Dataflow.IS:
            self._left -= cycles
            if not self._left and nest.last_chunk and nest.layer.transform is None:
                self.results.close(now + cycles - 1, nest.tile_pixels)
        if self._step == self._size:
            self._end(nest)

    def _record(self, now: int, cycles: int) -> None:
        waves = self.waves.setdefault(self._tag, Waves())
        if self._count or self._headed:
            if not waves.issued:
                waves.first = now
            waves.issued += cycles
            waves.last = now + cycles
        elif waves.issued and self.stall == "weight":
            waves.waiting += cycles

    def _end(self, nest: Nest) -> None:
        """After a chunk's last wave, or NS: a drain's."""
        layer = nest.layer
        self._step = 0
        if layer.dataflow is Dataflow.NS and nest.last_chunk and not self._draining:
            self._draining = True
            return
        self._draining = self._head = False
        streams = layer.dataflow is not Dataflow.IS
        waits = layer.transform is not None or (nest.last_pixels and streams)
        self._open = not (nest.last_chunk and waits)
        if layer.transform is not None:
            if nest.last_chunk:
                self._drain.finish(_job(nest))
        elif layer.taps is not None:
            self._wait = REUSE_DISTANCE - 1
        elif layer.dataflow is not Dataflow.NS:
            self._wait = max(0, REUSE_DISTANCE - self._size)
        if nest.final:
            self._nest = None
            self.finish = True
        else:
            nest.advance()

    def accept(self, layer: ConvWork) -> None:
        """After ``step``."""
        self._nest, self._tag = Nest(layer), layer.tag
        self._last = layer.dataflow, layer.transform
        self._open = layer.dataflow is Dataflow.IS and layer.transform is None
        if layer.dataflow is not Dataflow.IS and layer.transform is None:
            self._parameters.begin()


def _job(nest: Nest) -> FinishedTile:
    layer = nest.layer
    assert layer.transform is not None
    by_channel = layer.dataflow is Dataflow.IS
    units = nest.tile_channels if by_channel else nest.tile_pixels
    return FinishedTile(by_channel, units, nest.tile_pixels, layer.transform)


_PLANS = {
    Dataflow.WS: Streamer._weight_stationary,
    Dataflow.IS: Streamer._input_stationary,
    Dataflow.NS: Streamer._non_stationary,
}
