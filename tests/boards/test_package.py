"""What a board's tools are given: scripts that run, the register map, ports of the kernel."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from boards import xrt
from boards.block_design import BOARD_PARTS
from boards.board import BOARDS, KCU1500, U200, ULX3S, BoardError
from boards.channels import master_channels, region_channels
from boards.kernel import KERNEL, arguments, buses, kernel_verilog, masters, weight_ports
from boards.packaging import package
from boards.realise import primitive
from boards.tcl import settings, word
from hw.isa.config import OverlayConfig
from hw.isa.register_map import REGISTERS, Access
from hw.lib.emit import Port, Verilog, emit
from hw.overlay import Overlay
from sim.verilator import lint

tkinter = pytest.importorskip("tkinter")  # for its Tcl; no display is needed

CONFIG = OverlayConfig(
    rows=3,
    columns=2,
    tensor_bytes=1024,
    accumulator_depth=16,
    weight_words=16,
    parameter_depth=16,
    axi_bytes=8,
    weight_ports=4,
)
PORTS = (1, 2, 4)
CHANNELS = {1: [1, 2], 2: [1, 2, 0], 4: [1, 2, 0, 3, 1]}  # of the masters, of four
ALVEOS = pytest.mark.parametrize(
    "board", [BOARDS[name] for name in xrt.SHELLS], ids=list(xrt.SHELLS)
)
MODEL = Path(__file__).parents[1] / "hw" / "conv" / "array" / "dsp48e2.v"

# Every command that Tcl does not know is one of Vivado's: it is written down, and its result is a
# name for it. Two results are numbers.
STUBS = """
set calls {}
proc unknown {args} {
    lappend ::calls $args
    return "<[join $args]>"
}
proc get_property {name args} {
    lappend ::calls [list get_property $name {*}$args]
    return 0.1
}
"""


@pytest.fixture(scope="module")
def overlay() -> Verilog:
    design = Overlay(config=CONFIG, primitive=primitive(CONFIG, U200))
    return emit(design, "polymap", clock="ap_clk", reset="ap_rst_n")


def narrowed(overlay: Verilog, ports: int) -> Verilog:
    """The design with fewer weight ports, as far as a board's scripts are concerned."""
    beyond = tuple(f"{name}_" for name in masters(4)[1 + ports :])
    kept = tuple(port for port in overlay.ports if not port.name.startswith(beyond))
    return dataclasses.replace(overlay, ports=kept)


def ports_alone(overlay: Verilog) -> str:
    """The design's top with nothing in it."""
    ports = ", ".join(
        f"{'output' if port.output else 'input'} [{port.width - 1}:0] {port.name}"
        for port in overlay.ports
    )
    return (
        "/* verilator lint_off UNUSEDSIGNAL */\n/* verilator lint_off UNDRIVEN */\n"
        f"module {overlay.top}({ports});\nendmodule\n"
        "/* verilator lint_on UNUSEDSIGNAL */\n/* verilator lint_on UNDRIVEN */\n"
    )


def run(script: Path) -> list[list[str]]:
    """The commands for Vivado that a script issues, in order."""
    tcl = tkinter.Tcl()
    tcl.eval(STUBS)
    tcl.call("source", str(script))
    calls = tcl.splitlist(tcl.eval("set ::calls"))
    return [list(tcl.splitlist(call)) for call in calls]


@pytest.mark.parametrize("ports", PORTS)
def test_weight_ports_are_read_off_the_design(overlay, ports) -> None:
    assert weight_ports(narrowed(overlay, ports)) == ports


@pytest.mark.parametrize("ports", PORTS)
@ALVEOS
def test_kernel_script_declares_the_register_map(board, ports, overlay, tmp_path) -> None:
    package(board, narrowed(overlay, ports), tmp_path)
    calls = run(tmp_path / "package_kernel.tcl")

    created = [call for call in calls if call[0] == "create_project"]
    assert [call[-1] for call in created] == [board.part]
    found: dict[str, dict[str, str]] = {}
    for name, *rest in calls:
        if name == "ipx::add_register":
            found[rest[0]] = {}
        if name == "set_property" and rest[-1].startswith("<ipx::add_register "):
            found[rest[-1].split()[1]][rest[0]] = rest[1]
        if name == "set_property" and rest[-1].startswith("<ipx::add_register_parameter"):
            found[rest[-1].split()[3]]["bus"] = rest[1]
    control = found.pop("CTRL")
    assert int(control["address_offset"], 0) == REGISTERS["control"].offset
    unused = {f"weights{port}" for port in range(ports, 4)}
    writable = {
        name: register
        for name, register in REGISTERS.items()
        if register.access is Access.READ_WRITE and register.offset >= 0x10 and name not in unused
    }
    assert list(found) == list(writable)
    for name, register in writable.items():
        assert int(found[name]["address_offset"], 0) == register.offset
        assert int(found[name]["size"]) == register.width
        assert found[name]["description"] == register.text
    pointers = {name: entry["bus"] for name, entry in found.items() if "bus" in entry}
    assert pointers == {
        **dict.fromkeys(("program", "parameters", "input", "output"), "m_axi_gmem0"),
        **{f"weights{port}": f"m_axi_gmem{1 + port}" for port in range(ports)},
    }
    associated = {
        call[2] for call in calls if call[:2] == ["ipx::associate_bus_interfaces", "-busif"]
    }
    assert associated == {"s_axi_control", *(f"m_axi_gmem{k}" for k in range(1 + ports))}
    assert calls[-2][0] == "package_xo"
    assert calls[-2][calls[-2].index("-kernel_name") + 1] == KERNEL


@pytest.mark.parametrize("ports", PORTS)
@ALVEOS
def test_linker_configuration(board, ports, overlay, tmp_path) -> None:
    package(board, narrowed(overlay, ports), tmp_path)
    lines = (tmp_path / "link.cfg").read_text().splitlines()
    assert lines[0].startswith(f"platform=xilinx_{board.name}_gen3x16_xdma_")
    assert f"freqHz={int(board.clock_hz)}:polymap_1" in lines
    memory = xrt.SHELLS[board.name].memory
    channels = master_channels(ports, board.memory_channels)
    at = lines.index("[connectivity]")
    assert lines[at + 1 : lines.index("", at)] == [
        "nk=polymap_kernel:1:polymap_1",
        *(f"sp=polymap_1.{name}:{memory}[{bank}]" for name, bank in channels.items()),
    ]


@pytest.mark.parametrize("ports", PORTS)
def test_block_design_connects_everything(ports, overlay, tmp_path) -> None:
    package(KCU1500, narrowed(overlay, ports), tmp_path)
    calls = run(tmp_path / "block_design.tcl")
    assert ["set_property", "board_part", "xilinx.com:kcu1500:part0:1.2", "<current_project>"] in (
        calls
    )
    nets = [call[1:] for call in calls if call[0].startswith("connect_bd_")]
    ends = [re.sub(r"^<get_bd_(intf_)?(pin|port)s (.*)>$", r"\3", end) for n in nets for end in n]
    assert {f"overlay/{bus}" for bus in buses(ports)} < set(ends)
    channels = sorted(set(CHANNELS[ports]))
    crossbar = {end for end in ends if re.fullmatch(r"memory/[SM]\d+_AXI", end)}
    assert crossbar == {
        *(f"memory/S0{k}_AXI" for k in range(2 + ports)),
        *(f"memory/M0{k}_AXI" for k in range(len(channels))),
    }
    (sizes,) = (call[2] for call in calls if call[0] == "set_property" and "memory" in call[-1])
    assert sizes.split() == [
        *("CONFIG.NUM_SI", str(2 + ports)),
        *("CONFIG.NUM_MI", str(len(channels))),
        *("CONFIG.NUM_CLKS", str(1 + len(channels))),
    ]
    for pin in ("ap_clk", "ap_rst_n", "interrupt"):
        assert f"overlay/{pin}" in ends
    external = {call[-1] for call in calls if call[0] in ("create_bd_port", "create_bd_intf_port")}
    assert external == {
        "pcie_refclk",
        "pcie_perstn",
        "pci_express_x8",
        *(f"ddr4_sdram_c{channel}" for channel in channels),
        *(f"default_300mhz_clk{channel}" for channel in channels),
    }
    assert external < set(ends)
    cells = {call[-1] for call in calls if call[0] == "create_bd_cell"}
    assert cells == {end.split("/")[0] for end in ends if "/" in end}


@pytest.mark.parametrize("ports", PORTS)
def test_block_design_gives_host_and_overlay_one_memory_map(ports, overlay, tmp_path) -> None:
    package(KCU1500, narrowed(overlay, ports), tmp_path)
    places: dict[str, set[tuple[str, int, str]]] = {}
    for name, *arguments_ in run(tmp_path / "block_design.tcl"):
        if name == "assign_bd_address":
            offset, size, space, segment = arguments_[1], arguments_[3], *arguments_[5:]
            place = segment.split()[1].rstrip(">"), int(offset, 0), size
            places.setdefault(space.split()[1].rstrip(">"), set()).add(place)
    memory = {
        (f"ddr4_{k}/C0_DDR4_MEMORY_MAP/C0_DDR4_ADDRESS_BLOCK", channel << 32, "4G")
        for k, channel in enumerate(sorted(set(CHANNELS[ports])))
    }
    sources = ["xdma/M_AXI", *(f"overlay/m_axi_gmem{k}" for k in range(1 + ports))]
    control = {("overlay/s_axi_control/reg0", 0, "4K")}
    assert places == {**dict.fromkeys(sources, memory), "xdma/M_AXI_LITE": control}


@pytest.mark.parametrize("board", [U200, KCU1500], ids=lambda board: board.name)
def test_every_column_has_its_die(board, overlay, tmp_path) -> None:
    dies = [2, 2, 1, 0]
    package(board, overlay, tmp_path, dies=dies)
    calls = run(tmp_path / "floor_plan.tcl")
    assert [call[2] for call in calls if call[0] == "set_property"] == [f"SLR{k}" for k in dies]
    cells = [call[-1] for call in calls if call[0] == "get_cells"]
    assert cells == [f"NAME =~ *array/column_{column}" for column in range(4)]
    assert "column_0 (" in overlay.text  # the instances' names
    builds = [
        (tmp_path / name).read_text()
        for name in ("build.sh", "block_design.tcl")
        if (tmp_path / name).exists()
    ]
    assert any("STEPS.PLACE_DESIGN.TCL.PRE" in text and "floor_plan.tcl" in text for text in builds)


def test_a_board_that_misses_its_clock_is_refused(overlay, tmp_path) -> None:
    board = dataclasses.replace(KCU1500, clock_hz=300e6)
    with pytest.raises(BoardError, match=r"at 250 MHz, board .* asks for 300"):
        package(board, overlay, tmp_path)


def test_a_board_with_other_channels_has_no_block_design(overlay, tmp_path) -> None:
    board = dataclasses.replace(KCU1500, memory_channels=2)
    with pytest.raises(BoardError, match=r"has 4 DDR4 channels, board 'kcu1500' 2"):
        package(board, overlay, tmp_path)


def test_memory_has_the_name_that_the_platform_gives_it(monkeypatch) -> None:
    monkeypatch.setitem(xrt.SHELLS, U200.name, xrt.Shell(platform="xilinx", memory="HBM"))
    text = xrt.link_configuration(dataclasses.replace(U200, memory_channels=32), 4)
    assert re.findall(r":(HBM\[\d+\])", text) == [f"HBM[{k}]" for k in (1, 2, 0, 3, 4)]


def test_an_unknown_board_is_refused(overlay, tmp_path) -> None:
    board = dataclasses.replace(U200, name="nowhere")
    with pytest.raises(BoardError, match="board 'nowhere' has no packaging"):
        package(board, overlay, tmp_path)


def test_a_board_without_vendors_tools_has_no_package(overlay, tmp_path) -> None:
    with pytest.raises(BoardError, match="needs no package: `polymap build` makes its bitstream"):
        package(ULX3S, overlay, tmp_path)


@pytest.mark.parametrize("name", [*xrt.SHELLS, *BOARD_PARTS])
def test_packages_are_complete_and_deterministic(name: str, overlay, tmp_path) -> None:
    board = BOARDS[name]
    written = package(board, overlay, tmp_path / "a")
    again = package(board, overlay, tmp_path / "b")
    assert sorted(written) == sorted((tmp_path / "a").iterdir())
    assert [f.read_bytes() for f in written] == [f.read_bytes() for f in again]
    names = {file.name for file in written}
    assert {"polymap.v", f"{KERNEL}.v", "settings.tcl", "build.sh"} < names
    script = (tmp_path / "a" / "build.sh").read_text()
    sources = set(re.findall(r"-source (\S+)", script)) | set(re.findall(r"--config (\S+)", script))
    assert sources <= names


@pytest.mark.parametrize(
    "body", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["ports", "whole"]
)
def test_kernel_has_no_ports_but_its_interfaces(body: bool, overlay, tmp_path) -> None:
    """Verilator takes the kernel, around the overlay or around its ports alone."""
    assert weight_ports(overlay) == CONFIG.weight_ports
    text = kernel_verilog(overlay)
    header = text[: text.index(");")]
    ports = re.findall(r"(?:input|output) (?:\[\d+:0\] )?(\w+)", header)
    expected = [port.name for port in overlay.ports if not port.name.startswith("trace_")]
    assert ports == expected
    inner = f"{MODEL.read_text()}\n{overlay.text}" if body else ports_alone(overlay)
    whole = f"{inner}\n{text}"
    lint(dataclasses.replace(overlay, top=KERNEL, text=whole), folder=tmp_path)


@pytest.mark.parametrize("ports", PORTS)
def test_arguments_are_those_of_the_ports(ports) -> None:
    weights = [f"weights{port}" for port in range(ports)]
    found = [argument.name for argument in arguments(ports)]
    regions = ("program", "parameters", "input", "output")
    limits = ["cycle_limit", *(f"{name}_bytes" for name in (*regions, "weights"))]
    assert found == [*regions, "watchdog", *weights, *limits]
    offsets = [argument.offset for argument in arguments(ports)]
    assert offsets == sorted(offsets)


def test_stripes_have_channels_of_their_own() -> None:
    channels = region_channels(4, 4)
    assert {channels[name] for name in ("program", "parameters", "input", "output")} == {1}
    assert sorted(channels[f"weights{port}"] for port in range(4)) == [0, 1, 2, 3]
    assert 1 not in {channels[f"weights{port}"] for port in range(3)}


@pytest.mark.parametrize(
    ("ports", "channels", "expected"),
    [
        *((ports, 4, expected) for ports, expected in CHANNELS.items()),
        (4, 1, [0] * 5),
        (2, 2, [1, 0, 1]),
        (4, 3, [1, 2, 0, 1, 2]),
        (4, 32, [1, 2, 0, 3, 4]),
    ],
)
def test_masters_share_channels_only_where_there_are_too_few(ports, channels, expected) -> None:
    assert list(master_channels(ports, channels).values()) == expected


def test_a_design_without_the_buses_is_refused(overlay) -> None:
    ports = (Port(name="ap_clk", width=1, output=False),)
    with pytest.raises(BoardError, match="is no overlay: no port ap_rst_n, interrupt"):
        kernel_verilog(dataclasses.replace(overlay, ports=ports))
    gap = tuple(port for port in overlay.ports if not port.name.startswith("m_axi_gmem2_"))
    with pytest.raises(BoardError, match="no port m_axi_gmem2_arvalid"):
        kernel_verilog(dataclasses.replace(overlay, ports=gap))
    stray = Port(name="debug", width=1, output=True)
    with pytest.raises(BoardError, match="belong to no bus: debug"):
        kernel_verilog(dataclasses.replace(overlay, ports=(*overlay.ports, stray)))


def test_settings_survive_tcl() -> None:
    values = {"plain": "a/b", "empty": "", "text": "bit 0; [x] $y", "list": ["a b", ["c", 4]]}
    tcl = tkinter.Tcl()
    tcl.eval(settings(values))
    assert tcl.getvar("text") == values["text"]
    assert tcl.getvar("empty") == ""
    outer = tcl.splitlist(tcl.getvar("list"))
    assert (outer[0], tcl.splitlist(outer[1])) == ("a b", ("c", "4"))
    with pytest.raises(ValueError, match="braces"):
        word("{")
