"""What the measurements of latencies share: a stimulus cycle by cycle, and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator

Steps = Iterable[tuple[int, Any, Any]]
"""From a cycle on, a port has a value."""
Trace = list[int]
"""Of a port, by cycle."""
Measured = int | Mapping[tuple[Any, ...], int]
"""A latency; of an entry that is a function: one for each of some arguments."""

MEASURES: dict[str, Callable[[], Measured]] = {}
"""By entry of hw.isa.timing."""


def measures(name: str) -> Callable[[Callable[[], Measured]], Callable[[], Measured]]:
    """The function measures that entry of the table."""

    def enter(function: Callable[[], Measured]) -> Callable[[], Measured]:
        assert name not in MEASURES, name
        MEASURES[name] = function
        return function

    return enter


def play(dut: Any, steps: Steps, *watched: Any, cycles: int = 60) -> list[Trace]:
    """What is seen at some ports while others are set."""
    script = sorted(steps, key=lambda step: step[0])
    traces: list[Trace] = [[] for _ in watched]

    async def bench(ctx: Any) -> None:
        for cycle in range(cycles):
            for _, port, value in (step for step in script if step[0] == cycle):
                ctx.set(port, value)
            for trace, port in zip(traces, watched, strict=True):
                trace.append(ctx.get(Value.cast(port)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return traces


def hold(port: Any, value: Any = 1) -> Steps:
    """From the start on."""
    return [(0, port, value)]


def pulse(cycle: int, port: Any, value: Any = 1, *, count: int = 1) -> Steps:
    """For so many cycles."""
    return [(cycle, port, value), (cycle + count, port, 0)]


def when(trace: Sequence[int]) -> int:
    """The first cycle in which it is not zero."""
    return next(cycle for cycle, value in enumerate(trace) if value)


def last(trace: Sequence[int]) -> int:
    """The last such cycle."""
    return max(cycle for cycle, value in enumerate(trace) if value)


def meeting(stream: Any) -> Value:
    """Whether a stream transfers."""
    return stream.valid & stream.ready
