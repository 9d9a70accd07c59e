"""The run's life: start, done or first error, draining of the buses, reset of the engines."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.control.field_check import FAILURE
from hw.isa import Error
from hw.isa.timing import FAILURE_LATENCY, RESET_CYCLES, VERDICT_LATENCY
from hw.lib.sizes import check_sizes


class Supervisor(wiring.Component):
    """Starts a run, ends it at its end or first error, and makes the overlay ready for the next.

    IDLE -> RUNNING on ``i_start``; -> VERDICT at the end, for the program's last checks, in which
    no cycle counts; -> DRAINING behind it or at the first error, with ``o_done`` at once;
    -> RELEASED once every bus has been quiet for a cycle after ``RESET_CYCLES``; -> IDLE.
    ``o_drain``, a register, is high throughout DRAINING: it aborts the AXI parts, and a cycle
    later it resets everything else (`hw.lib.reset_register`).

    Parameters
    ----------
    failures : streams that may say that the run has failed.

    Members
    -------
    i_start : a run is asked for (level); accepted when IDLE.
    o_accept : pulse, the run begins: fetch may start.
    i_finished : the program has ended, every engine is idle.
    i_failures : streams of (code, tag), in order of precedence within a cycle; the run ends
        ``FAILURE_LATENCY`` cycles later.
    i_abort : the host ends the run with ``Error.ABORTED``.
    i_cycle_limit : cycles after which a run ends with ``Error.CYCLE_LIMIT``; 0: none.
    i_watchdog : cycles without ``i_progress`` before ``Error.WATCHDOG``; 0: never.
    i_oldest_tag : tag to report with these, of the cycle before.
    i_progress : something moved.
    i_quiet : no AXI transfer is under way.
    o_idle, o_running, o_drain, o_done : see above.
    o_error, o_error_tag : of the last run.
    o_cycles : of the last or the present run, from ``o_accept`` to ``o_done``.
    """

    def __init__(self, *, failures: int) -> None:
        check_sizes(1, failures=failures)
        super().__init__(
            {
                "i_start": In(1),
                "o_accept": Out(1),
                "i_finished": In(1),
                "i_failures": In(stream.Signature(FAILURE, always_ready=True)).array(failures),
                "i_abort": In(1),
                "i_cycle_limit": In(64),
                "i_watchdog": In(32),
                "i_oldest_tag": In(16),
                "i_progress": In(1),
                "i_quiet": In(1),
                "o_idle": Out(1),
                "o_running": Out(1),
                "o_drain": Out(1),
                "o_done": Out(1),
                "o_error": Out(Error),
                "o_error_tag": Out(16),
                "o_cycles": Out(64),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        still = Signal(32)
        drained = Signal(range(RESET_CYCLES + 1))
        checks = VERDICT_LATENCY + FAILURE_LATENCY  # cycles of VERDICT
        verdict = Signal(range(checks))
        failed, first = self._first_failure(m, still)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.o_idle.eq(1), self.o_accept.eq(self.i_start)]
                with m.If(self.i_start):
                    self._clear(m, still)
                    m.next = "RUNNING"
            with m.State("RUNNING"):
                m.d.comb += self.o_running.eq(1)
                self._count(m, still)
                m.d.sync += verdict.eq(checks - 1)
                with m.If(failed):
                    self._end(m, drained, first)
                with m.Elif(self.i_finished):
                    m.next = "VERDICT"
            with m.State("VERDICT"):
                m.d.comb += self.o_running.eq(1)
                m.d.sync += verdict.eq(verdict - 1)
                with m.If(failed):
                    self._end(m, drained, first)
                with m.Elif(verdict == 0):
                    self._end(m, drained)
            with m.State("DRAINING"):
                with m.If(drained != RESET_CYCLES):
                    m.d.sync += drained.eq(drained + 1)
                with m.Elif(self.i_quiet):
                    m.d.sync += self.o_drain.eq(0)
                    m.next = "RELEASED"
            with m.State("RELEASED"):
                m.next = "IDLE"
        return m

    def _first_failure(self, m: Module, still: Signal) -> tuple[Signal, Any]:
        """Whether the run fails in this cycle, and by what: the units' own faults come first.

        All of it is looked at a cycle late, since it comes from all over the overlay.
        ``still`` : cycles without progress.
        """
        failed, first = Signal(), Signal(FAILURE)
        expired, overdue = Signal(), Signal()
        limited = self.o_running & (self.i_cycle_limit != 0)
        watched = self.o_running & (self.i_watchdog != 0)
        m.d.sync += [
            expired.eq(limited & (self.o_cycles >= self.i_cycle_limit)),
            overdue.eq(watched & (still >= self.i_watchdog)),
        ]
        for condition, code in (
            (overdue, Error.WATCHDOG),
            (expired, Error.CYCLE_LIMIT),
            (self.i_abort, Error.ABORTED),
        ):
            with m.If(condition):
                m.d.comb += [failed.eq(1), first.code.eq(code), first.tag.eq(self.i_oldest_tag)]
        for number, failure in reversed(list(enumerate(self.i_failures))):
            found, what = Signal(name=f"found_{number}"), Signal(FAILURE, name=f"what_{number}")
            m.d.sync += [found.eq(failure.valid), what.eq(failure.payload)]
            with m.If(found):
                m.d.comb += [failed.eq(1), first.eq(what)]
        return failed, first

    def _clear(self, m: Module, still: Signal) -> None:
        """Nothing is known of the run that begins."""
        m.d.sync += [
            self.o_error.eq(Error.NONE),
            self.o_error_tag.eq(0),
            self.o_cycles.eq(0),
            still.eq(0),
        ]

    def _count(self, m: Module, still: Signal) -> None:
        """The run is a cycle older; ``still`` counts from its last progress."""
        m.d.sync += [self.o_cycles.eq(self.o_cycles + 1), still.eq(still + 1)]
        with m.If(self.i_progress):
            m.d.sync += still.eq(0)

    def _end(self, m: Module, drained: Signal, failure: Any = None) -> None:
        """The run is over, with its first failure if there was one."""
        m.d.comb += self.o_done.eq(1)
        m.d.sync += [drained.eq(0), self.o_drain.eq(1)]
        if failure is not None:
            m.d.sync += [self.o_error.eq(failure.code), self.o_error_tag.eq(failure.tag)]
        m.next = "DRAINING"


class Counters(wiring.Component):
    """Counts the cycles in which each condition holds; cleared when a run begins.

    Parameters
    ----------
    names : of the conditions.

    Members
    -------
    i_clear : pulse.
    i_enable : a run is under way.
    i : the conditions, by name.
    o : their counts, by name, modulo 2^32.
    """

    def __init__(self, *, names: tuple[str, ...]) -> None:
        self._names = names
        super().__init__(
            {
                "i_clear": In(1),
                "i_enable": In(1),
                "i": In(data.StructLayout(dict.fromkeys(names, 1))),
                "o": Out(data.StructLayout(dict.fromkeys(names, 32))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for name in self._names:
            with m.If(self.i_clear):
                m.d.sync += self.o[name].eq(0)
            with m.Elif(self.i_enable & self.i[name]):
                m.d.sync += self.o[name].eq(self.o[name] + 1)
        return m
