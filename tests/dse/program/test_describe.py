"""The manifest and the disassembler say what the program does."""

from __future__ import annotations

import json

from dse.assembly.disassemble import structure, text
from dse.assembly.manifest import Manifest
from dse.compile.compiler import compile_network
from dse.network.graph import Network
from hw.isa import LAYOUTS, Opcode
from hw.isa.config import OverlayConfig


def test_manifest(network: Network, config: OverlayConfig) -> None:
    program = compile_network(network, config)
    manifest = program.manifest
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert [layer.name for layer in manifest.layers] == ["a", "b", "d", "pool", "f"]
    assert [layer.fused for layer in manifest.layers] == ["", "", "add", "", ""]
    assert sum(layer.macs for layer in manifest.layers) == network.macs()
    assert all(layer.cycles > 0 for layer in manifest.layers)
    assert manifest.sha256["model"] == "0" * 64
    assert manifest.tensor("b").address - manifest.tensor("a").address == 6
    assert manifest.tensor("c").tags == (0, 1)
    for place in manifest.tensors:
        for number in place.complete_after:
            tag = program.instructions[number].field("tag")
            assert tag in (place.tags or (0,))


def test_dead_and_fused_tensors_are_not_observable(network: Network, config: OverlayConfig) -> None:
    manifest = compile_network(network, config).manifest
    assert {place.name for place in manifest.tensors} == {"x", "a", "b", "c", "s", "g", "f"}


def test_disassembly(network: Network, config: OverlayConfig) -> None:
    instructions = compile_network(network, config).instructions
    lines = text(instructions).splitlines()
    assert len(lines) == len(instructions)
    assert lines[1].startswith("    1 [  0] LOAD    base=PARAMETERS space=PARAMETER ")
    assert "base=INPUT space=TENSOR" in next(line for line in lines[2:] if " LOAD " in line)
    conv = next(one for one in structure(instructions) if one["opcode"] == "CONV")
    assert "LOAD" in conv["wait"]
    assert set(conv["fields"]) | {"opcode", "wait", "post", "tag"} == set(
        LAYOUTS[Opcode.CONV].members
    )
    json.dumps(structure(instructions))
