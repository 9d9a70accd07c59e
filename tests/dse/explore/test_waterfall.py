"""The parts of a waterfall make up the total, and each counts what it says."""

from __future__ import annotations

import numpy as np
import pytest

import polymap
from dse.compile.compiler import compile_network
from dse.cycles.dram import IDEAL
from dse.cycles.overlay import Machine
from dse.cycles.whole_program import program_cycles
from dse.explore.waterfall import PARTS, waterfall, waterfall_by_layer
from dse.network.numbers import with_random_numbers, without_numbers
from dse.networks.builder import OutlineBuilder
from hw.isa import Opcode
from hw.isa.config import OverlayConfig
from tests.fuzz.drawn import drawn_network


@pytest.mark.parametrize("seed", range(12))
def test_parts_of_drawn_networks(seed: int) -> None:
    """Of convolutions in their natural order: nothing is below zero but what Winograd saves."""
    network = drawn_network(np.random.default_rng(seed))
    found = polymap.explore(without_numbers(network), None, array=(4, 6), certify=False)
    execution = found.compiled(network).execution
    assert execution is not None and found.configuration is not None
    layers = waterfall_by_layer(execution.programs, execution.turns, found.configuration)
    parts = waterfall(layers)
    assert list(parts) == list(PARTS)
    assert all(list(one) == list(PARTS) for one in layers.values())
    convs = {la.name for p in execution.programs for la in p.manifest.layers if la.kind == "conv"}
    assert set(layers) == (convs or {found.mapping.network})
    assert sum(parts.values()) == pytest.approx(execution.cycles.total, abs=1e-6)
    assert min(value for name, value in parts.items() if name != "algorithms, edges") >= 0
    macs = sum(layer.macs for p in execution.programs for layer in p.manifest.layers)
    assert parts["multipliers"] <= macs / (4 * 6 * found.configuration.lanes) + 1e-6


def test_waves_and_missing_weights_are_those_of_the_machine() -> None:
    """Through a narrow port weights come late."""
    net = OutlineBuilder("three", (3, 3, 64))
    net.conv("input", "a", 32, 3)
    net.conv("a", "b", 32, 3)
    net.conv("b", "c", 32, 1)
    network = with_random_numbers(net.build())
    config = OverlayConfig(rows=8, columns=16, axi_bytes=4, tensor_bytes=1 << 16)
    program = compile_network(network, config)
    cycles = program_cycles(program, config)
    layers = waterfall_by_layer([program], [cycles], config)
    parts = waterfall(layers)
    machine = Machine(program.instructions, config, IDEAL)
    assert machine.run() == cycles.total == round(sum(parts.values()))
    waves = machine.convolution.waves.values()
    assert parts["multipliers"] + parts["algorithms, edges"] == sum(w.issued for w in waves)
    assert parts["weights"] == sum(wave.waiting for wave in waves) > 0
    for layer in cycles.layers:  # one behind the other
        assert layers[layer.name]["weights"] == layer.load
        assert layers[layer.name]["activations, room"] == layer.stall
    first = min(wave.first for wave in waves)
    assert parts["begin"] == first
    assert parts["end"] == cycles.total - max(wave.last for wave in waves)
    starts = [one.start for one in cycles.instructions if one.opcode is Opcode.CONV]
    assert parts["begin"] >= min(starts)
