"""Rows with pixels between them that nobody reads, in RTL: bytes and cycles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from benchmarks.choices import all_choices, legal
from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Opcode
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL
from tests.rtl.overlays import OVERLAYS, Case, job, simulation, swept, verify
from tests.sim.test_functional import Builder

pytestmark = pytest.mark.rtl


SAME = Window((3, 3), padding=(1, 1, 1, 1))


@dataclass(frozen=True)
class Folded(Case):
    """The first convolution folded by four, the second in some way."""

    reader: Choice = field(default_factory=Choice)

    def compile(self, config: OverlayConfig) -> Program:
        mapping = LayerMapping({"conv0": Choice(fold=4), "conv1": self.reader})
        return compile_network(self.network, config, mapping)


def net(channels: int) -> Network:
    """Eleven pixels a row, of which twelve are computed, and all that can read them."""
    b = Builder(np.random.default_rng(5))
    x = b.conv(b.input(7, 11, 3), channels, SAME)
    wide = b.conv(x, 5, SAME)
    strided = b.conv(x, channels, Window((3, 2), (2, 2), padding=(1, 0, 1, 1)), channels)
    half = Window((3, 3), (2, 2), padding=(1, 1, 1, 1))
    pooled = b.pool(x, "max", half), b.pool(x, "average", SAME, padded=True)
    return b.build(wide, strided, *pooled)


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_readers(name: str) -> None:
    """Each algorithm, dataflow and transform once; maxima read two pixels a word where they can."""
    config = OVERLAYS[name]
    network = net(config.pool_channels // 2 if config.pool_channels % 2 == 0 else 3)
    reader = next(conv for conv in network.convolutions() if conv.name == "conv1")
    timing = DDR if name == "strips" else IDEAL
    cases = [
        Folded(network, timing=timing, reader=choice)
        for choice in all_choices(config)
        if legal(network, reader, choice, config)
    ]
    programs = [case.compile(config) for case in cases]
    jobs = [job(case, program) for case, program in zip(cases, programs, strict=True)]
    runs = simulation(name).run(*jobs)
    for case, program, run in zip(cases, programs, runs, strict=True):
        assert [place.gap for place in program.manifest.tensors if place.gap] == [1]
        verify(case, program, iter([run]))
        poolings = [i for i in program.instructions if i.opcode is Opcode.POOL]
        assert any(i.field("halves") for i in poolings) == (config.pool_channels % 2 == 0)
        assert program_cycles(program, config, timing).total == run.cycles
