"""The loader: when the shadow chains are filled (WS, IS)."""

from __future__ import annotations

from dse.cycles.buffer import Buffer, Scratch
from dse.cycles.line import FOREVER
from dse.cycles.nest import ConvWork, Nest
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig


class Loader:
    """`hw.conv.sequence.loader.Loader`."""

    def __init__(
        self, config: OverlayConfig, activations: Buffer, scratch: Scratch, weights: Buffer
    ) -> None:
        self._config = config
        self._activations, self._scratch, self._weights = activations, scratch, weights
        self._layer: ConvWork | None = None
        self._nest: Nest | None = None  # None: not active
        self._fresh = False  # the nest has not been looked at
        self._ahead = 0
        self._flow = Dataflow.WS
        self._settle = 0
        self._burst = 0
        self._words = 0  # of the burst, still to pop
        self._phase = 0
        self._source: Buffer = weights  # of the burst
        self._holds = self._rewinds = self._releases = False  # the last two at its end
        self.loaded = False

    def ready(self, layer: ConvWork) -> bool:
        """Whether it accepts the instruction."""
        follows = layer.dataflow is self._flow and layer.dataflow is not Dataflow.NS
        return self._nest is None and (not self._ahead or (follows and self._ahead == 1))

    def holds(self, layer: ConvWork) -> bool:
        """Whether the last burst of a layer in IS keeps the sequencer from an instruction."""
        turns = self._flow is Dataflow.IS and bool(self._words or self._phase)
        return turns and layer.dataflow is not Dataflow.IS

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
            self._source.pop(holds=self._holds)
        return horizon

    def _plan_start(self, nest: Nest) -> int:
        layer = nest.layer
        if layer.dataflow is Dataflow.WS:
            self._burst, self._source = self._config.rows, self._weights
        else:
            winograd = layer.transform is not None
            self._burst = nest.tile_pixels
            self._source = self._scratch if winograd else self._activations
        if self._fresh or self._source.seen < self._burst:
            return max(1, self._burst - self._source.level)
        self._starts = True
        self._choose_ends(nest)
        return 1

    def _choose_ends(self, nest: Nest) -> None:
        """What becomes of the burst's words."""
        layer = nest.layer
        self._holds = self._rewinds = self._releases = False
        if self._source is self._weights:
            self._holds = layer.replay
            if layer.replay and nest.ends_weights:
                self._rewinds, self._releases = not nest.last_pixels, nest.last_pixels
        elif self._source is self._scratch:
            self._holds = not nest.last_channels
            self._rewinds = self._holds and nest.last_chunk

    def set_ends(self, cycles: int) -> None:
        """A segment ends with the span's last cycle, if that is its last burst's."""
        last = self._burst if self._starts else self._words
        if last and cycles == last:
            self._source.rewinds = self._rewinds
            self._source.releases = self._releases

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
        self._fresh = False
        if self._starts:
            self._start()

    def _start(self) -> None:
        nest = self._nest
        assert nest is not None
        self._settle = self._config.tile_cycles - 2
        self._words = self._burst - 1
        if nest.final:
            self._nest = None
        else:
            nest.advance()

    def accept(self, layer: ConvWork) -> None:
        """After ``step``."""
        self._flow = layer.dataflow
        self._ahead += 1
        if layer.dataflow is not Dataflow.NS:
            self._nest, self._fresh = Nest(layer), True
