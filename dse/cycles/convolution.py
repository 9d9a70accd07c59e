"""The convolution engine: its units and their instruction queues."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dse.cycles.buffer import Buffer, Scratch
from dse.cycles.feeder import Feeder
from dse.cycles.flow import Issuer
from dse.cycles.line import FOREVER
from dse.cycles.loader import Loader
from dse.cycles.nest import ConvWork
from dse.cycles.result_writer import Writer
from dse.cycles.streamer import Streamer, Waves
from hw.conv.convolution import INSTRUCTIONS
from hw.isa.config import OverlayConfig


@dataclass
class Split:
    """`hw.conv.sequence.sequencer.Split`: gives an instruction to all, each when it can take it."""

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
    """`hw.conv.convolution.ConvEngine`."""

    def __init__(self, config: OverlayConfig, weights: Buffer, issuer: Issuer) -> None:
        self._config = config
        self._issuer = issuer
        activations, scratch = Buffer(config.activation_depth), Scratch(config.scratch_words)
        self.feeder = Feeder(config, activations, scratch)
        self.loader = Loader(config, activations, scratch, weights)
        self.streamer = Streamer(config, activations, scratch, weights)
        self.writer = Writer(config)
        self._queues: list[deque[ConvWork]] = [deque() for _ in range(3)]
        self._engine = Split([False] * 3)
        self._sequencer = Split([False] * 2)
        self._sequences = False  # it is offered an instruction

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
            now,
            loaded=self.loader.loaded,
            arriving=self.feeder.arriving,
            returned=self.writer.takes,
        )
        horizon = min(horizon, streamed)
        horizon = min(horizon, results.horizon(now))
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
        can = [self.loader.ready(head), self.streamer.ready(head)] if head else [False, False]
        self._sequences = head is not None and not self.loader.holds(head)
        horizon = min(horizon, self._sequencer.plan(can, valid=self._sequences))
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
        self._step_instructions()

    def _step_instructions(self) -> None:
        feed, sequence, write = self._queues
        if self._feeds:
            self.feeder.accept(feed.popleft())
        if self._writes:
            self.writer.accept(write.popleft())
        if self._sequences:
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
            layer = ConvWork.of(offered, self._config)
            for queue, takes in zip(self._queues, self._engine.now, strict=True):
                if takes:
                    queue.append(layer)
            self._engine.step(valid=True)
