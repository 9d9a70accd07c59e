"""The exact model: its spans. RTL: tests/rtl; the closed form: test_overlay_closed.py."""

from __future__ import annotations

import pytest

from dse.cost.overlay import program_cycles
from dse.cost.overlay.machine.dram import MemoryTiming
from dse.cost.overlay.machine.line import FOREVER
from dse.cost.overlay.machine.overlay import Machine
from dse.program import LayerMapping, compile_network
from hw.config import OverlayConfig
from sim.bench.choices import all_choices, fallback
from sim.fast.job import DDR, IDEAL
from tests.sim.test_functional import branchy


@pytest.mark.parametrize("timing", [IDEAL, DDR])
@pytest.mark.parametrize("lanes", [1, 2])
def test_spans_change_nothing(lanes: int, timing: MemoryTiming) -> None:
    """Every start and retirement is that of a model that steps through every cycle."""
    config = OverlayConfig(
        rows=3,
        columns=4,
        lanes=lanes,
        tensor_bytes=1 << 14,
        accumulator_depth=64,
        weight_words=64,
        axi_bytes=4,
        winograd="both",
        scratch_words=128,
    )
    network, choices = branchy(), all_choices(config)
    for order in (choices, choices[::-1]):
        turns = zip(network.convolutions(), order, strict=False)
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
