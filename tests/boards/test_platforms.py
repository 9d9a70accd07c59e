"""Boards as platforms of Amaranth: first designs, pins and primitives."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from amaranth.build import DiffPairs, Pins, Subsignal
from amaranth.build.run import BuildPlan
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io
from amaranth.sim import Simulator
from amaranth_boards.test.blinky import Blinky
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from boards.board import BOARDS
from boards.kcu1500 import KCU1500Platform
from boards.platforms import projects
from boards.platforms.memory_test import MemoryTest
from boards.u200 import AlveoU200Platform
from boards.u250 import AlveoU250Platform
from hw.conv.array.array import Array
from hw.conv.array.primitive import BEHAVIOURAL, Primitive, suited
from hw.isa.config import OverlayConfig
from hw.overlay import Overlay

OURS = {"u200": AlveoU200Platform, "u250": AlveoU250Platform, "kcu1500": KCU1500Platform}
ALL = {**OURS, "ulx3s": ULX3S_85F_Platform}


@pytest.fixture(autouse=True)
def only_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a toolchain is looked for or started."""
    monkeypatch.setattr(BuildPlan, "execute_local", None)


@pytest.mark.parametrize("board", ALL)
def test_a_blinky_elaborates(board: str) -> None:
    plan = ALL[board]().build(Blinky(), name="blinky", do_build=False)
    leds = {"u200": 3, "u250": 3}.get(board, 8)
    text = "".join(t.decode() if isinstance(t, bytes) else t for t in plan.files.values())
    assert len(set(re.findall(r"led_(\d+)", text))) == leds


@pytest.mark.parametrize("board", OURS)
def test_the_part_is_that_of_the_board(board: str) -> None:
    plan = OURS[board]().build(Blinky(), name="blinky", do_build=False)
    assert f"-part {BOARDS[board].part}" in text(plan, "blinky.tcl")
    constraints = text(plan, "blinky.xdc")
    assert "create_clock -name clk300_0__p -period 3.33" in constraints
    assert constraints.count("set_property LOC") == constraints.count("IOSTANDARD") > 3


@pytest.mark.parametrize("board", OURS)
def test_no_pin_has_two_uses(board: str) -> None:
    pins = Counter(pin for resource in OURS[board].resources for pin in all_pins(resource))
    assert len(pins) > 500
    assert [pin for pin, count in pins.items() if count > 1] == []


@pytest.mark.parametrize("board", OURS)
def test_a_memory_channel_can_be_requested(board: str) -> None:
    widths = {"kcu1500": (72, 64, 72, 72)}.get(board, (64,) * 4)
    platform = OURS[board]()
    for number, width in enumerate(widths):
        channel = platform.request("ddr4", number, dir="-")
        assert len(channel.dq) == width
        lanes = width // (8 if board == "kcu1500" else 4)
        assert len(channel.dqs.p) == lanes
    assert len(platform.request("pcie", 0, dir="-").rx.p) == (8 if board == "kcu1500" else 16)


@pytest.mark.parametrize("board", ["kcu1500"])
def test_the_module_writes_its_projects(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [board, "--out", str(tmp_path)])
    assert projects.main(OURS[board](), board) == 0
    for project in ("blinky", "memory_test"):
        assert (tmp_path / project / f"build_{project}.sh").exists()
    assert str(tmp_path / "memory_test") in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "blinky").write_text("a file")
    monkeypatch.setattr("sys.argv", ["u200", "--out", str(tmp_path)])
    assert projects.main(AlveoU200Platform(), "u200") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("u200: ") and "blinky" in line


@pytest.mark.parametrize("damaged", [False, True])
def test_the_memory_test_finds_what_it_should(damaged: bool) -> None:
    dut = MemoryTest(depth=16)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(20)
        if damaged:
            storage = dut.storage.data
            ctx.set(storage[9], ctx.get(storage[9]) ^ 1 << 40)
        await ctx.tick().repeat(3 * 32)
        assert ctx.get(dut.o_failed) == damaged
        assert ctx.get(dut.o_rounds) == 3

    simulator.add_testbench(bench)
    simulator.run()


class OnBoard(Elaboratable):
    """An overlay, or its array alone, of which an LED shows something, so that it is not empty."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._whole:
            m.submodules.overlay = overlay = Overlay(config=SMALL)
            shown = overlay.interrupt
        else:
            m.submodules.array = array = Array(config=SMALL, primitive=suited(platform))
            shown = array.o_valid
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        m.d.comb += led.o.eq(shown)
        return m


SMALL = OverlayConfig(
    rows=2,
    columns=2,
    lanes=2,
    tensor_bytes=256,
    accumulator_depth=4,
    weight_words=4,
    parameter_depth=4,
    axi_bytes=4,
    tables=0,
    products=0,
)


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("board", "cell", "other"),
    [
        pytest.param("u250", "DSP48E2", "MULT18X18D", marks=pytest.mark.slow),
        ("ulx3s", "MULT18X18D", "DSP48E2"),
    ],
)
def test_an_overlay_takes_the_primitives_of_its_platform(
    board: str, cell: str, other: str, whole: bool
) -> None:
    plan = ALL[board]().build(OnBoard(whole=whole), name="top", do_build=False)
    design = text(plan, "top.il" if board == "ulx3s" else "top.v")
    elements = SMALL.rows * (SMALL.columns + 1)  # with column -1
    assert len(re.findall(rf"\b{cell}\b", design)) == elements
    assert other not in design


@pytest.mark.parametrize("board", ALL)
def test_an_overlay_asks_its_platform_what_suits(
    board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The array of the test above is made as the one in an overlay."""
    asked = []

    class Asked(Exception):
        """The overlay needs not be made any further."""

    def engine(*, config: OverlayConfig, primitive: Primitive) -> None:
        asked.append(primitive)
        raise Asked

    monkeypatch.setattr("hw.overlay.ConvEngine", engine)
    platform = ALL[board]()
    with pytest.raises(Asked):
        Overlay(config=SMALL).elaborate(platform)
    assert asked == [suited(platform)] != [BEHAVIOURAL]


def text(plan: BuildPlan, name: str) -> str:
    found = plan.files[name]
    return found.decode() if isinstance(found, bytes) else found


def all_pins(part: Any) -> list[str]:
    """Names of the pins of a resource, or of a part of one."""
    names: list[str] = []
    for one in part.ios:
        if isinstance(one, Subsignal):
            names += all_pins(one)
        elif isinstance(one, Pins):
            names += one.names
        elif isinstance(one, DiffPairs):
            names += [*one.p.names, *one.n.names]
    return names
