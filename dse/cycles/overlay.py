"""The whole overlay: engines, buses and tensor memory, from the start of a run to its end."""

from __future__ import annotations

from collections.abc import Sequence

from dse.assembly.instruction import ENGINE_OF, Instruction
from dse.cycles.buffer import Buffer
from dse.cycles.bus import ReadChannel, Reader, WriteChannel
from dse.cycles.convolution import Convolution
from dse.cycles.dram import MemoryTiming
from dse.cycles.flow import Fetch, Issuer, Tokens
from dse.cycles.line import FOREVER
from dse.cycles.movers import Load, Store
from dse.cycles.pooling import Pooling
from dse.cycles.weights import WeightReader
from hw.bus.axi import burst_beats
from hw.bus.masters import READ_DEPTH
from hw.control.fetch import QUEUED
from hw.isa import Opcode
from hw.isa.config import OverlayConfig


class Machine:
    """Executes a program's timing; cycle 0 is the one in which the run is accepted.

    Every unit first finds what it does in the present cycle and for how long that stays so; then
    all advance by the least of these horizons.
    """

    def __init__(
        self, instructions: Sequence[Instruction], config: OverlayConfig, timing: MemoryTiming
    ) -> None:
        width = config.axi_bytes
        tokens = Tokens()
        self.issuers = {opcode: Issuer(ENGINE_OF.get(opcode), tokens) for opcode in QUEUED}
        fetch_reader = Reader(width, burst_beats(width))
        load_reader, weight_reader = Reader(width, READ_DEPTH), Reader(width, READ_DEPTH)
        self._channels = (
            ReadChannel(timing, fetch_reader, load_reader),
            ReadChannel(timing, weight_reader),
        )
        self._readers = (fetch_reader, load_reader, weight_reader)
        buffer = Buffer(config.weight_words)
        self._fetch = Fetch(instructions, config, fetch_reader)
        self._load = Load(config, load_reader, self.issuers[Opcode.LOAD])
        self._store = Store(config, WriteChannel(timing, width), self.issuers[Opcode.STORE])
        self._weights = WeightReader(config, weight_reader, buffer, self.issuers[Opcode.WEIGHTS])
        self._pool = Pooling(config, self.issuers[Opcode.POOL])
        self.convolution = Convolution(config, buffer, self.issuers[Opcode.CONV])
        self._shares = config.tensor_copies == 1  # the feeder shares its read port
        self.now = 1

    def run(self, *, until: int | None = None, longest: int = FOREVER) -> int:
        """Runs to the end, or ``until`` a cycle: the cycle reached, which is the run's length.

        ``longest``: of a span; 1 steps through every cycle.
        """
        while not self._ended if until is None else self.now < until:
            limit = longest if until is None else min(longest, until - self.now)
            horizon = self._plan(min(self._look(), limit))
            if horizon >= FOREVER:
                raise RuntimeError(f"nothing moves any more in cycle {self.now}")
            self.convolution.set_ends(horizon)
            self._step(horizon)
            self.now += horizon
        return self.now

    @property
    def _ended(self) -> bool:
        return self._fetch.at_end and not any(i.busy for i in self.issuers.values())

    def _look(self) -> int:
        now = self.now
        for issuer in self.issuers.values():
            issuer.look()
        for reader in self._readers:
            reader.look(now)
        horizon = min(channel.look(now) for channel in self._channels)
        self._load.look()
        self._weights.look()
        self._store.look(now)
        self._pool.look(now)
        return min(horizon, self.convolution.look(now))

    def _plan(self, horizon: int) -> int:
        """Who gets the tensor memory, and what follows; at most ``horizon`` cycles."""
        now, conv, pool = self.now, self.convolution, self._pool
        residual, written = conv.writer.reads, conv.writer.writes
        pool_reads, pool_writes = pool.reads, pool.writes
        horizon = min(horizon, self._fetch.plan(self.issuers))
        store_free = not (residual or pool_reads)
        store_reads = self._store.reads
        horizon = min(horizon, self._store.plan(now, granted=store_free))
        feeds = not self._shares or (store_free and not store_reads)
        alone = not (self._shares or store_reads or self._load.writes)
        horizon = min(horizon, conv.feeder.plan(now, granted=feeds))
        horizon = min(horizon, self._load.plan(granted=not (written or pool_writes)))
        horizon = min(horizon, self._weights.plan())
        for channel in self._channels:
            horizon = min(horizon, channel.plan(now))
        for issuer in self.issuers.values():
            horizon = min(horizon, issuer.plan())
        return pool.plan(now, horizon, read=not residual, write=not written, alone=alone)

    def _step(self, cycles: int) -> None:
        now = self.now
        for channel in self._channels:
            channel.step(now, cycles)
        for issuer in self.issuers.values():
            issuer.step(now)
        self._load.step(cycles)
        self._store.step(now, cycles)
        self._pool.finish(now, cycles)
        self._weights.step(cycles)
        self.convolution.step(now, cycles)
        self._fetch.step(cycles)
