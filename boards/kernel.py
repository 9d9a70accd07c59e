"""The overlay as a kernel: its interfaces, its arguments, and a top without simulation ports."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from boards.board import BoardError
from hw.bus.registers import REGISTERS
from hw.emit import Port, Verilog
from hw.isa import Base

KERNEL = "polymap_kernel"
CLOCK, RESET, INTERRUPT = "ap_clk", "ap_rst_n", "interrupt"
CONTROL = "s_axi_control"
TRACE = "trace_"  # ports of simulation only


class Master(enum.Enum):
    """The overlay's AXI4 masters."""

    GMEM0 = "m_axi_gmem0"  # program, LOAD and STORE
    GMEM1 = "m_axi_gmem1"  # weights


BUSES = (CONTROL, *(master.value for master in Master))
MASTER_OF = {base: Master.GMEM1 if base is Base.WEIGHTS else Master.GMEM0 for base in Base}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """A register that the host writes before a start; a pointer has the master that follows it."""

    name: str
    offset: int
    bits: int
    master: Master | None
    text: str


def arguments() -> tuple[Argument, ...]:
    """The kernel's arguments in the order in which a host passes them."""
    masters = {base.name.lower(): master for base, master in MASTER_OF.items()}
    return tuple(
        Argument(
            name=name,
            offset=REGISTERS[name].offset,
            bits=REGISTERS[name].width,
            master=masters.get(name),
            text=REGISTERS[name].text,
        )
        for name in (*masters, "watchdog")
    )


def kernel_ports(verilog: Verilog) -> tuple[Port, ...]:
    """The ports that a board connects; BoardError if the design is no overlay."""
    ports = tuple(port for port in verilog.ports if not port.name.startswith(TRACE))
    names = {port.name for port in ports}
    expected = [CLOCK, RESET, INTERRUPT, *(f"{bus}_arvalid" for bus in BUSES)]
    if missing := [name for name in expected if name not in names]:
        raise BoardError(f"design {verilog.top!r} is no overlay: no port {', '.join(missing)}")
    known = (CLOCK, RESET, INTERRUPT)
    stray = [n for n in names if n not in known and not n.startswith(tuple(f"{b}_" for b in BUSES))]
    if stray:
        raise BoardError(f"ports of {verilog.top!r} belong to no bus: {', '.join(sorted(stray))}")
    return ports


def kernel_verilog(verilog: Verilog) -> str:
    """A module `KERNEL` around the design, with nothing but buses, clock, reset and interrupt.

    The attributes are what Vivado's packager and block designs read; it finds the AXI buses by the
    names of their ports.
    """
    ports = kernel_ports(verilog)
    attributes = {
        CLOCK: _interface(
            "clock", CLOCK, "CLK", f"ASSOCIATED_BUSIF {':'.join(BUSES)}, ASSOCIATED_RESET {RESET}"
        ),
        RESET: _interface("reset", RESET, "RST", "POLARITY ACTIVE_LOW"),
        INTERRUPT: _interface("interrupt", INTERRUPT, "INTERRUPT", "SENSITIVITY LEVEL_HIGH"),
    }
    lines = [f"module {KERNEL} ("]
    for number, port in enumerate(ports):
        lines += attributes.get(port.name, [])
        width = f"[{port.width - 1}:0] " if port.width > 1 else ""
        comma = "," if number < len(ports) - 1 else ""
        lines.append(f"  {'output' if port.output else 'input'} {width}{port.name}{comma}")
    connections = [f"    .{port.name}({port.name})" for port in ports]
    connections += [f"    .{p.name}()" for p in verilog.ports if p.name.startswith(TRACE)]
    lines += [
        ");",
        "  /* verilator lint_off PINCONNECTEMPTY */",
        f"  {verilog.top} overlay (",
        ",\n".join(connections),
        "  );",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def _interface(kind: str, name: str, pin: str, parameter: str) -> list[str]:
    return [
        f'  (* X_INTERFACE_INFO = "xilinx.com:signal:{kind}:1.0 {name} {pin}" *)',
        f'  (* X_INTERFACE_PARAMETER = "{parameter}" *)',
    ]
