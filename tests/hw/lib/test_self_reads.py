"""A signal that reads itself is refused; the same with a signal of its own simulates alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.lib.emit import EmitError, emit
from hw.lib.self_reads import self_reads
from sim.verilator import lint
from tests.fuzz.readers import simulate

STEPS = ((1, 3), (1, 9), (0, 9), (1, 9), (1, 14))
PAIR = data.StructLayout({"early": 4, "late": 4})


class Pair(wiring.Component):
    """``early`` is assigned from ``late``, which is assigned behind it."""

    def __init__(self, *, reads: str) -> None:
        self._reads = reads
        super().__init__({"active": In(1), "i": In(4), "o": Out(8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pair, own = Signal(PAIR), Signal(4)
        m.d.comb += [own.eq(self.i), self.o.eq(pair)]
        sources: dict[str, Value] = {
            "itself": pair.late,
            "its operator": pair.late ^ 0,
            "a signal of its own": own,
        }
        with m.If(self.active):
            if self._reads == "itself in a choice":
                with m.If(pair.late[0]):
                    m.d.comb += pair.early.eq(own)
            else:
                m.d.comb += pair.early.eq(sources[self._reads])
            m.d.comb += pair.late.eq(own)
        return m


@pytest.mark.parametrize("reads", ["itself", "itself in a choice"])
def test_a_signal_that_reads_itself_is_refused(reads: str) -> None:
    message = r"module pair: a part of signal \S+ is assigned from another part of it.*of its own"
    with pytest.raises(EmitError, match=message):
        emit(Pair(reads=reads), "pair")


@pytest.mark.slow
@pytest.mark.parametrize("reads", ["a signal of its own", "its operator"])
def test_what_is_accepted_simulates_alike(reads: str, tmp_path: Path) -> None:
    expected = _amaranth(Pair(reads=reads))
    verilog = emit(Pair(reads=reads), "pair")
    drives = "\n".join(f'active = {a}; i = {i}; #1 $display("%0d", o);' for a, i in STEPS)
    bench = f"""
module bench;
  reg active; reg [3:0] i; wire [7:0] o;
  pair dut(.clk(1'b0), .rst(1'b0), .active(active), .i(i), .o(o));
  initial begin {drives} end
endmodule
"""
    printed = simulate(f"{bench}\n{verilog.text}", "bench", tmp_path)
    assert [int(line) for line in printed.split()] == expected


def test_the_remedy_is_clean(tmp_path: Path) -> None:
    lint(emit(Pair(reads="a signal of its own"), "pair"), folder=tmp_path)


def test_only_what_the_same_process_drives_counts() -> None:
    process = "  process $1\n    assign {} 4'0000\n    switch {}\n      case 1'1\n    end\n  end\n"
    design = "module \\top\n" + process.format("\\a[0]", "\\a[1] [0]")
    assert not list(self_reads(design + process.format("\\b [3:0]", "\\a[0] [0]")))
    assert list(self_reads(design + process.format("\\b [3:0]", "{ \\c \\b [0] }"))) == [
        ("top", "b")
    ]
    assert list(self_reads(design + process.format("{ \\c \\b [0] }", "\\b [1]"))) == [("top", "b")]


def _amaranth(pair: Pair) -> list[int]:
    """What Amaranth's own simulator has for the same steps."""
    seen = []

    async def bench(context: Any) -> None:
        for active, i in STEPS:
            context.set(pair.active, active)
            context.set(pair.i, i)
            await context.delay(1e-6)
            seen.append(context.get(pair.o))

    simulator = Simulator(pair)
    simulator.add_testbench(bench)
    simulator.run()
    return seen
