"""The exact model: its spans. RTL: tests/rtl; the closed form: test_overlay_closed.py."""

from __future__ import annotations

from itertools import product

import pytest

from benchmarks.choices import all_choices, fallback
from dse.compile.compiler import compile_network
from dse.cycles.dram import MemoryTiming
from dse.cycles.line import FOREVER
from dse.cycles.overlay import Machine
from dse.cycles.whole_program import program_cycles
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL
from tests.sim.test_functional import branchy

FEW = [(1, DDR, 1), (2, IDEAL, -1)]
"""Lanes, timing, and in which order the convolutions take the choices."""

OTHERS = [case for case in product((1, 2), (IDEAL, DDR), (1, -1)) if case not in FEW]


@pytest.mark.parametrize(
    ("lanes", "timing", "step"),
    [*FEW, *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS)],
)
def test_spans_change_nothing(lanes: int, timing: MemoryTiming, step: int) -> None:
    """Every start and retirement is that of a model that steps through every cycle."""
    config = OverlayConfig(
        rows=3,
        columns=4,
        lanes=lanes,
        tensor_copies=lanes,
        tensor_bytes=1 << 14,
        accumulator_depth=64,
        weight_words=64,
        axi_bytes=4,
        winograd="both",
        scratch_words=128,
    )
    network, choices = branchy(), all_choices(config)[::step]
    turns = zip(network.convolutions(), choices, strict=False)
    layers = {conv.name: fallback(network, conv, choice, config) for conv, choice in turns}
    program = compile_network(network, config, LayerMapping(layers))
    found = []
    for longest in (1, FOREVER):
        machine = Machine(program.instructions, config, timing)
        total = machine.run(longest=longest)
        spans = [(s.start, s.retire) for i in machine.issuers.values() for s in i.spans]
        found.append((total, spans))
    assert found[0] == found[1]
    assert found[0][0] == program_cycles(program, config, timing).total
