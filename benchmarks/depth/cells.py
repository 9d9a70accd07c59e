"""What the cells of a mapped netlist do to a signal: pass it on, take it in, or send it out.

A look-up table is a level, a wide multiplexer two tenths and a cell of a carry chain one tenth, in
whole tenths so that sums are exact.  A multiplier that no register cuts is one level, too, and is
counted apart: its time is a few look-up tables'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEVEL = 10
"""Tenths of a level."""
_LOGIC = (
    (re.compile(r"LUT\d"), LEVEL),
    (re.compile(r"INV"), 0),
    (re.compile(r"MUXF\d|PFUMX|L6MUX21"), 2),
)
_CARRY = re.compile(r"CARRY4|CARRY8|CCU2C")
_MEMORY = re.compile(r"RAM\d+[XM].*|SRLC?\d+E|TRELLIS_DPR16X4")
_Pins = Mapping[str, list[int | None]]
_STAGES = {"A": "AREG", "B": "BREG", "D": "DREG", "C": "CREG"}


@dataclass(frozen=True, slots=True)
class Arc:
    """Logic from one net to another; ``carries``: bits of a carry chain."""

    source: int
    target: int
    kind: str
    tenths: int
    carries: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as timing sees it.

    Members
    -------
    arcs : logic through it.
    launches : nets that its registers drive, with the tenths of logic behind them.
    captures : nets that its registers take, with the tenths of logic in front of them, and the pin.
    """

    arcs: Sequence[Arc]
    launches: Mapping[int, int]
    captures: Sequence[tuple[int, int, str]]


def cell(kind: str, data: Mapping[str, Any]) -> Cell:
    """A primitive of the netlist; ``data`` is Yosys' description of it."""
    pins = {name: _nets(bits) for name, bits in data["connections"].items()}
    outputs = [pin for pin in pins if data["port_directions"].get(pin) == "output"]
    inputs = [pin for pin in pins if pin not in outputs]
    for pattern, tenths in _LOGIC:
        if pattern.fullmatch(kind):
            return Cell(tuple(_all_to_all(pins, inputs, outputs, kind, tenths)), {}, ())
    if _CARRY.fullmatch(kind):
        return Cell(tuple(_carry(pins, inputs, outputs, kind)), {}, ())
    if _MEMORY.fullmatch(kind):
        return _memory(pins, inputs, outputs, kind)
    if kind in ("DSP48E2", "MULT18X18D"):
        return _multiplier(pins, inputs, outputs, kind, data["parameters"])
    return Cell((), _driven(pins, outputs, 0), _taken(pins, inputs, 0))


def _nets(bits: Sequence[Any]) -> list[int | None]:
    """Nets of a pin; None: a constant."""
    return [bit if isinstance(bit, int) else None for bit in bits]


def _driven(pins: _Pins, names: Sequence[str], tenths: int) -> dict[int, int]:
    return {bit: tenths for name in names for bit in pins[name] if bit is not None}


def _taken(pins: _Pins, names: Sequence[str], tenths: int) -> tuple[tuple[int, int, str], ...]:
    return tuple((bit, tenths, name) for name in names for bit in pins[name] if bit is not None)


def _all_to_all(
    pins: _Pins,
    inputs: Sequence[str],
    outputs: Sequence[str],
    kind: str,
    tenths: int,
) -> Iterator[Arc]:
    for source in (bit for name in inputs for bit in pins[name]):
        for target in (bit for name in outputs for bit in pins[name]):
            if source is not None and target is not None:
                yield Arc(source, target, kind, tenths)


def _carry(pins: _Pins, inputs: Sequence[str], outputs: Sequence[str], kind: str) -> Iterator[Arc]:
    """A bit reaches its own sum and all that is above it."""
    for low, source in ((at, bit) for name in inputs for at, bit in _placed(name, pins[name])):
        for high, target in (
            (at, bit) for name in outputs for at, bit in _placed(name, pins[name])
        ):
            if source is not None and target is not None and high >= low:
                yield Arc(source, target, kind, 1, high - low + 1)


def _placed(pin: str, bits: list[int | None]) -> Iterator[tuple[int, int | None]]:
    """Bits of a carry cell's pin with their places in the chain."""
    if pin == "COUT":  # of CCU2C, behind both of its bits
        yield 1, bits[0]
    elif len(bits) == 1 and pin[-1] in "01" and pin[:-1] in ("A", "B", "C", "D", "S"):
        yield int(pin[-1]), bits[0]
    else:
        yield from enumerate(bits)


def _memory(pins: _Pins, inputs: Sequence[str], outputs: Sequence[str], kind: str) -> Cell:
    """Distributed memory or a shift register: written at the clock, read through a LUT."""
    arcs: list[Arc] = []
    for out in outputs:
        address = [name for name in inputs if _addresses(name, out)]
        arcs += _all_to_all(pins, address, [out], kind, LEVEL)
    return Cell(tuple(arcs), _driven(pins, outputs, LEVEL), _taken(pins, inputs, 0))


def _addresses(pin: str, out: str) -> bool:
    """Whether an input says which row an output reads."""
    if out in ("DPO", "DO"):
        return pin.startswith(("DPRA", "RAD"))
    if re.fullmatch(r"DO[A-H]", out):
        return pin == f"ADDR{out[-1]}"
    return re.fullmatch(r"A\d*", pin) is not None  # of SPO and of shift registers


def _multiplier(
    pins: _Pins,
    inputs: Sequence[str],
    outputs: Sequence[str],
    kind: str,
    parameters: Mapping[str, str],
) -> Cell:
    """A multiplier with or without registers in front, in its middle and behind."""
    if kind == "DSP48E2":
        behind, middle = _on(parameters, "PREG", 1), _on(parameters, "MREG", 1)
        front = {pin: _on(parameters, stage, 1) for pin, stage in _STAGES.items()}
    else:
        behind = parameters.get("REG_OUTPUT_CLK", "NONE") != "NONE"
        middle = parameters.get("REG_PIPELINE_CLK", "NONE") != "NONE"
        front = {
            pin: parameters.get(f"REG_INPUT{pin}_CLK", "NONE") != "NONE" for pin in ("A", "B", "C")
        }
    into = LEVEL if behind or middle else 0
    out = 0 if behind else LEVEL
    arcs: list[Arc] = []
    captures: list[tuple[int, int, str]] = []
    for name in inputs:
        registered = front.get(name.rstrip("0123456789"), kind == "DSP48E2")
        if registered:
            captures += _taken(pins, [name], 0)
        elif into:
            captures += _taken(pins, [name], into)
        else:
            arcs += _all_to_all(pins, [name], outputs, kind, LEVEL)
    cut = behind or middle or any(front.values())
    return Cell(tuple(arcs), _driven(pins, outputs, out) if cut else {}, tuple(captures))


def _on(parameters: Mapping[str, str], name: str, default: int) -> bool:
    """A number that Yosys writes in binary."""
    value = parameters.get(name)
    return bool(default if value is None else int(value, 2))
