"""The text that Yosys writes: it simulates alike everywhere, and no line goes unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib import yosys
from hw.lib.emit import Verilog, emit
from hw.lib.yosys import TextError
from sim.verilator import lint
from tests.fuzz.readers import simulate, yosys_check

VALUES = (0xDEADBEEF, 0xDEADBEEF, 7)


BENCH = """
module bench;
  wire [63:0] o_0, o_1, o_2;
  constants dut(.clk(1'b0), .rst(1'b0), .i(2'd0), .o_0(o_0), .o_1(o_1), .o_2(o_2));
  initial #1 $display("%h %h %h", o_0, o_1, o_2);
endmodule
"""


class Constants(wiring.Component):
    """Processes whose inputs never change after the beginning, and bits that no input reaches."""

    def __init__(self) -> None:
        super().__init__({"i": In(2), "o": Out(64).array(len(VALUES))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        state = Signal(4, init=5)
        with m.If(self.i == 3):
            m.d.sync += state.eq(state + 1)
        # 32 bits: Yosys writes these in decimal, unless told otherwise.
        m.d.comb += self.o[0][:32].eq(VALUES[0])
        m.d.comb += [self.o[1][:32].eq(VALUES[1]), self.o[1][60].eq(self.i[1])]
        with m.If(self.i == 2):
            m.d.comb += self.o[1][61].eq(1)
        with m.Switch(state), m.Case(5):  # an initial value alone
            m.d.comb += self.o[2].eq(VALUES[2])
        return m


@pytest.fixture(scope="module")
def constants() -> Verilog:
    return emit(Constants(), "constants")


def test_constant_bits_are_driven(constants: Verilog, tmp_path: Path) -> None:
    lint(constants, folder=tmp_path)
    assert "32'd" not in constants.text


def test_triggers_are_set_behind_the_processes(constants: Verilog) -> None:
    lines = constants.text.splitlines()
    (trigger,) = (k for k, line in enumerate(lines) if line.startswith("  initial \\$auto"))
    assert trigger > max(k for k, line in enumerate(lines) if line.startswith("  always @*"))


@pytest.mark.slow
def test_processes_run_once_in_an_event_driven_simulator(
    constants: Verilog, tmp_path: Path
) -> None:
    expected = " ".join(f"{value:016x}" for value in VALUES)
    assert simulate(f"{BENCH}\n{constants.text}", "bench", tmp_path) == f"{expected}\n"


@pytest.mark.slow
def test_yosys_reads_the_same(constants: Verilog, tmp_path: Path) -> None:
    wanted = [f"-prove o_{k} 64'h{value:016x}" for k, value in enumerate(VALUES)]
    proof = f"sat -seq 1 -set-at 1 state 4'h5 -set i 0 {' '.join(wanted)} -verify"
    yosys_check(constants.text, "constants", tmp_path, then=["prep -top constants", proof])


def test_a_process_without_its_trigger_is_refused() -> None:
    trigger = r"\$auto$verilog_backend.cc:1:dump_module$1"
    good = [f"  reg {trigger}  = 0;", "  always @* begin", f"    if ({trigger} ) begin end"]
    assert yosys._triggered(good, "top")[-1] == f"  initial {trigger} = 1'h0;"
    for bad in (good[1:], [*good, "  always @*", "    a = 1'h0;"]):
        with pytest.raises(TextError, match="module top: a process without its trigger"):
            yosys._triggered(bad, "top")


@pytest.mark.parametrize("text", ["module top(", "wire x;\nendmodule\n", "endmodule\nmodule top("])
def test_text_that_is_no_module_is_refused(text: str) -> None:
    with pytest.raises(TextError):
        for lines in yosys._modules(text):
            yosys._module(lines)
