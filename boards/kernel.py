"""The overlay as a kernel: its interfaces, its arguments, and a top without simulation ports."""

from __future__ import annotations

from dataclasses import dataclass

from boards.board import BoardError
from hw.isa import Base
from hw.isa.config import MAX_WEIGHT_PORTS
from hw.isa.register_map import REGISTERS, SIZES, WEIGHT_BASES
from hw.lib.emit import Port, Verilog

KERNEL = "polymap_kernel"
CLOCK, RESET, INTERRUPT = "ap_clk", "ap_rst_n", "interrupt"
CONTROL = "s_axi_control"
TRACE = "trace_"  # ports of simulation only


def masters(weight_ports: int) -> tuple[str, ...]:
    """The AXI4 masters: program, LOAD and STORE; then one for each stripe of the weights."""
    return tuple(f"m_axi_gmem{number}" for number in range(1 + weight_ports))


def buses(weight_ports: int) -> tuple[str, ...]:
    """All AXI interfaces."""
    return (CONTROL, *masters(weight_ports))


def regions(weight_ports: int) -> dict[str, str]:
    """Regions of DRAM, by the register of their base address -> the master that reaches them."""
    gmem0, *stripes = masters(weight_ports)
    return {
        **{base.name.lower(): gmem0 for base in Base},
        **dict(zip(WEIGHT_BASES, stripes, strict=False)),
    }


@dataclass(frozen=True, kw_only=True)
class Argument:
    """A register that the host writes before a start; a pointer has the master that follows it."""

    name: str
    offset: int
    bits: int
    master: str | None
    text: str

    @property
    def words(self) -> int:
        """32-bit words that it takes."""
        return self.bits // 32


def arguments(weight_ports: int) -> tuple[Argument, ...]:
    """The kernel's arguments in the order in which a host passes them: that of their offsets."""
    pointers = regions(weight_ports)
    return tuple(
        Argument(
            name=name,
            offset=register.offset,
            bits=register.width,
            master=pointers.get(name),
            text=register.text,
        )
        for name, register in REGISTERS.items()
        if name in (*pointers, "watchdog", "cycle_limit", *SIZES.values())
    )


def weight_ports(verilog: Verilog) -> int:
    """How many masters read weights; BoardError if the design is no overlay."""
    names = {port.name for port in _kernel_ports(verilog)}
    found = sum(f"{master}_arvalid" in names for master in masters(MAX_WEIGHT_PORTS)[1:])
    ports = max(found, 1)
    expected = [CLOCK, RESET, INTERRUPT, *(f"{bus}_arvalid" for bus in buses(ports))]
    if missing := [name for name in expected if name not in names]:
        raise BoardError(f"design {verilog.top!r} is no overlay: no port {', '.join(missing)}")
    known = (CLOCK, RESET, INTERRUPT)
    prefixes = tuple(f"{bus}_" for bus in buses(ports))
    if stray := [name for name in names if name not in known and not name.startswith(prefixes)]:
        raise BoardError(f"ports of {verilog.top!r} belong to no bus: {', '.join(sorted(stray))}")
    return ports


def kernel_verilog(verilog: Verilog) -> str:
    """A module `KERNEL` around the design, with nothing but buses, clock, reset and interrupt.

    The attributes are what Vivado's packager and block designs read; it finds the AXI buses by the
    names of their ports.  BoardError if the design is no overlay.
    """
    interfaces = ":".join(buses(weight_ports(verilog)))
    attributes = {
        CLOCK: _interface(
            "clock", CLOCK, "CLK", f"ASSOCIATED_BUSIF {interfaces}, ASSOCIATED_RESET {RESET}"
        ),
        RESET: _interface("reset", RESET, "RST", "POLARITY ACTIVE_LOW"),
        INTERRUPT: _interface("interrupt", INTERRUPT, "INTERRUPT", "SENSITIVITY LEVEL_HIGH"),
    }
    ports = _kernel_ports(verilog)
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


def _kernel_ports(verilog: Verilog) -> tuple[Port, ...]:
    """The ports that a board connects."""
    return tuple(port for port in verilog.ports if not port.name.startswith(TRACE))


def _interface(kind: str, name: str, pin: str, parameter: str) -> list[str]:
    return [
        f'  (* X_INTERFACE_INFO = "xilinx.com:signal:{kind}:1.0 {name} {pin}" *)',
        f'  (* X_INTERFACE_PARAMETER = "{parameter}" *)',
    ]
