"""Emission: shared modules, port names, determinism, and the mistakes that would be silent."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    EnableInserter,
    Module,
    ResetInserter,
    Signal,
    signed,
)
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.lib.emit import HIER_BLOCK, WIDEST, EmitError, Port, Shared, TooWideError, emit
from hw.lib.yosys import without_zeros

PAIR = data.StructLayout({"x": signed(8), "y": 8})


class Cell(wiring.Component):
    """Registers ``x + bias``."""

    def __init__(self, *, bias: int) -> None:
        self.bias = bias
        super().__init__({"i": In(PAIR), "o": Out(signed(9))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i.x + self.bias)
        return m


class Row(wiring.Component):
    """A chain of cells."""

    def __init__(self, *, length: int) -> None:
        self.length = length
        super().__init__({"i": In(PAIR), "o": Out(signed(9))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        last = self.i
        for index in range(self.length):
            m.submodules[f"cell{index}"] = cell = Shared(Cell(bias=1), "unit")
            m.d.comb += cell.i.eq(last)
            last = cell.o
        m.d.comb += self.o.eq(last)
        return m


class Grid(wiring.Component):
    """Rows side by side, with nested, array and unused ports."""

    def __init__(self, *, rows: int) -> None:
        self.rows = rows
        bus = wiring.Signature({"req": Out(stream.Signature(4)), "ack": In(1)})
        super().__init__(
            {"i": In(PAIR), "o": Out(signed(9)).array(rows), "m_axi": Out(bus), "none": In(0)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for index in range(self.rows):
            row = Shared(Row(length=3), "row", hier_block=True)
            m.submodules[f"row{index}"] = row
            m.d.comb += [row.i.eq(self.i), self.o[index].eq(row.o)]
        return m


class Wrapper(wiring.Component):
    """Elaborates to what a function of the module says."""

    def __init__(self, body: Any) -> None:
        self._body = body
        super().__init__({"i": In(PAIR)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._body(m)
        return m


def test_a_shared_module_is_emitted_once() -> None:
    verilog = emit(Grid(rows=4), "grid")
    assert verilog.modules == ("unit", "row", "grid")
    assert verilog.text.count("row row") == 4
    assert verilog.text.count("unit cell") == 3
    assert verilog.hierarchical
    assert verilog.text.count(HIER_BLOCK) == 1


def test_ports_are_flat_and_complete() -> None:
    verilog = emit(Grid(rows=2), "grid", clock="ap_clk", reset="ap_rst_n")
    assert [(port.name, port.width, port.output) for port in verilog.ports] == [
        ("ap_clk", 1, False),
        ("ap_rst_n", 1, False),
        ("i", 16, False),
        ("o_0", 9, True),
        ("o_1", 9, True),
        ("m_axi_req_payload", 4, True),
        ("m_axi_req_valid", 1, True),
        ("m_axi_req_ready", 1, False),
        ("m_axi_ack", 1, False),
    ]
    assert all(part in verilog.text for part in ("reg rst = 1'h1;", "= ~ ap_rst_n;"))
    assert Port(name="i", width=16, output=False) in verilog.ports


def test_initial_zeros_take_one_line() -> None:
    def body(m: Module) -> None:
        for name, init in (("a", []), ("b", []), ("c", [1])):
            m.submodules[name] = memory = Memory(shape=8, depth=100, init=init)
            memory.read_port()

    text = emit(Wrapper(body), "top").text
    assert text.count("for (row = 0; row <= 99; row = row + 1)") == 2
    assert text.count("[row[6:0]] = 8'h00;") == 2
    assert "[0] = 8'h01;" in text
    # For devices whose memories hold zeros, they can go, and nothing else.
    left = without_zeros(text)
    assert "zeros_" not in left and "[0] = 8'h01;" in left
    dropped = [line for line in text.splitlines() if line not in left.splitlines()]
    assert len(dropped) == 6 and text.count("\n") - left.count("\n") == 8


def test_emission_is_deterministic() -> None:
    first, second = (emit(Grid(rows=3), "grid") for _ in range(2))
    assert first.text == second.text
    assert first.sha256 == second.sha256


def test_other_parameters_need_another_name() -> None:
    def body(m: Module) -> None:
        m.submodules.a = Shared(Cell(bias=1), "unit")
        m.submodules.b = Shared(Cell(bias=2), "unit")

    with pytest.raises(EmitError, match="components shared as 'unit' must be equal"):
        emit(Wrapper(body), "top")


@pytest.mark.parametrize("inserter", [ResetInserter, EnableInserter])
def test_a_control_that_cannot_reach_the_instance_is_refused(inserter: Any) -> None:
    def body(m: Module) -> None:
        m.submodules.a = inserter(Const(1))(Shared(Cell(bias=1), "unit"))

    with pytest.raises(EmitError, match="cannot be reset or enabled from outside"):
        emit(Wrapper(body), "top")


def test_a_renamed_domain_reaches_the_instance() -> None:
    def body(m: Module) -> None:
        m.domains.other = other = ClockDomain()
        m.d.comb += [other.clk.eq(ClockSignal()), other.rst.eq(1)]
        m.submodules.a = DomainRenamer("other")(Shared(Cell(bias=1), "unit"))

    assert ".rst(1'h1)" in emit(Wrapper(body), "top").text


def test_a_shared_component_simulates_as_itself() -> None:
    dut = Grid(rows=1)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i, {"x": -5, "y": 0})
        await ctx.tick().repeat(4)
        assert ctx.get(dut.o[0]) == -2

    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("component", [1, Module()])
def test_only_components_are_shared(component: Any) -> None:
    with pytest.raises(TypeError, match=r"component must be a wiring\.Component, not"):
        Shared(component, "unit")
    if isinstance(component, Module):
        component._MustUse__used = True


def test_a_name_must_be_an_identifier() -> None:
    with pytest.raises(ValueError, match="name must be a Verilog identifier, not '1a'"):
        Shared(Shared(Cell(bias=1), "unit"), "1a")


def test_a_name_must_not_be_a_keyword() -> None:
    with pytest.raises(EmitError, match="module name 'cell' is a Verilog keyword"):
        emit(Cell(bias=1), "cell")


def test_a_signal_that_is_too_wide_is_named() -> None:
    class Wide(wiring.Component):
        def __init__(self) -> None:
            super().__init__({"i": In(1), "o": Out(1)})

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            wide = Signal(WIDEST + 1)
            m.d.comb += [wide.eq(Cat(self.i for _ in range(WIDEST + 1))), self.o.eq(wide[-1])]
            return m

    with pytest.raises(TooWideError, match=r"module wide cannot be built: .* 65537 bits wide"):
        emit(Wide(), "wide")
