"""The run's life: start, done or first error, draining of the buses, reset of the engines."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.engines.fetch import FAILURE
from hw.isa import Error

RESET_CYCLES = 16  # at least, of reset between two runs: answers of the memories arrive and drop


class Supervisor(wiring.Component):
    """Starts a run, ends it at its end or first error, and makes the overlay ready for the next.

    IDLE -> RUNNING on ``start``; -> DRAINING at the end or the first error, with ``done`` at once;
    -> IDLE once every bus has been quiet for a cycle after ``RESET_CYCLES``.  ``drain`` is high
    throughout DRAINING: it aborts the AXI parts and resets everything else.

    Members
    -------
    start : a run is asked for (level); accepted when IDLE.
    accept : pulse, the run begins: fetch may start.
    finished : the program has ended, every engine is idle.
    failures : streams of (code, tag), in order of precedence within a cycle.
    watchdog : cycles without ``progress`` before ``Error.WATCHDOG``; 0: never.
    watchdog_tag : tag to report with it.
    progress : something moved.
    quiet : no AXI transfer is under way.
    idle, running, drain, done : see above.
    error, error_tag : of the last run.
    cycles : of the last or the present run, from ``accept`` to ``done``.
    """

    def __init__(self, *, failures: int) -> None:
        super().__init__(
            {
                "start": In(1),
                "accept": Out(1),
                "finished": In(1),
                "failures": In(stream.Signature(FAILURE, always_ready=True)).array(failures),
                "watchdog": In(32),
                "watchdog_tag": In(16),
                "progress": In(1),
                "quiet": In(1),
                "idle": Out(1),
                "running": Out(1),
                "drain": Out(1),
                "done": Out(1),
                "error": Out(Error),
                "error_tag": Out(16),
                "cycles": Out(64),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first, failed = Signal(FAILURE), Signal()
        still = Signal(32)
        drained = Signal(range(RESET_CYCLES + 1))
        with m.If((self.watchdog != 0) & (still >= self.watchdog)):
            m.d.comb += [
                failed.eq(1),
                first.code.eq(Error.WATCHDOG),
                first.tag.eq(self.watchdog_tag),
            ]
        for failure in reversed(list(self.failures)):
            with m.If(failure.valid):
                m.d.comb += [failed.eq(1), first.eq(failure.payload)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(1), self.accept.eq(self.start)]
                with m.If(self.start):
                    m.d.sync += [
                        self.error.eq(Error.NONE),
                        self.error_tag.eq(0),
                        self.cycles.eq(0),
                        still.eq(0),
                    ]
                    m.next = "RUNNING"
            with m.State("RUNNING"):
                m.d.comb += self.running.eq(1)
                m.d.sync += [self.cycles.eq(self.cycles + 1), still.eq(still + 1)]
                with m.If(self.progress):
                    m.d.sync += still.eq(0)
                with m.If(failed):
                    m.d.sync += [self.error.eq(first.code), self.error_tag.eq(first.tag)]
                with m.If(failed | self.finished):
                    m.d.comb += self.done.eq(1)
                    m.d.sync += drained.eq(0)
                    m.next = "DRAINING"
            with m.State("DRAINING"):
                m.d.comb += self.drain.eq(1)
                with m.If(drained != RESET_CYCLES):
                    m.d.sync += drained.eq(drained + 1)
                with m.Elif(self.quiet):
                    m.next = "IDLE"
        return m


class Counters(wiring.Component):
    """Counts the cycles in which each condition holds; cleared when a run begins.

    Parameters
    ----------
    names : of the conditions.

    Members
    -------
    clear : pulse.
    enable : a run is under way.
    i : the conditions, by name.
    o : their counts, by name, modulo 2^32.
    """

    def __init__(self, *, names: tuple[str, ...]) -> None:
        self._names = names
        super().__init__(
            {
                "clear": In(1),
                "enable": In(1),
                "i": In(data.StructLayout(dict.fromkeys(names, 1))),
                "o": Out(data.StructLayout(dict.fromkeys(names, 32))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for name in self._names:
            with m.If(self.clear):
                m.d.sync += self.o[name].eq(0)
            with m.Elif(self.enable & self.i[name]):
                m.d.sync += self.o[name].eq(self.o[name] + 1)
        return m
