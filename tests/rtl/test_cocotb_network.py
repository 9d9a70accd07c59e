"""A small network through cocotb, between cocotbext-axi's memory and host, with random stalls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice
from hw.isa import INSTRUCTION_BYTES, Dataflow, Error, Opcode
from hw.isa.config import ISA_VERSION
from hw.isa.register_map import REGISTERS
from sim import golden
from sim.cocotb_runner import run_job
from sim.fast.simulated_run import Timing
from sim.fast_overlay import emit_overlay
from tests.rtl.overlays import OVERLAYS, Case, job
from tests.sim.test_functional import Builder, branchy

pytestmark = [pytest.mark.rtl, pytest.mark.slow]


CONFIG = OVERLAYS["2x2"]


def short() -> Network:
    """Two convolutions and a pooling between them."""
    b = Builder(np.random.default_rng(2))
    first = b.conv(b.input(5, 4, 3), 4, Window((3, 3), padding=(1, 1, 1, 1)))
    return b.build(b.conv(b.pool(first, "max", Window((2, 2), (2, 2))), 3, Window()))


@pytest.mark.parametrize(
    ("network", "stall", "cut"),
    [
        (short(), 40, 150),
        (branchy(), 0, None),
        (branchy(), 40, 1500),
    ],
)
def test_a_network(network: Network, stall: int, cut: int | None, tmp_path: Path) -> None:
    """Also behind a run that a reset has cut."""
    case = Case(network, tuple(map(Choice, Dataflow)), Timing(stall=stall, seed=3), images=2)
    program = case.compile(CONFIG)
    made = replace(job(case, program), cut=cut)
    runs = run_job(emit_overlay(CONFIG), made, folder=tmp_path)
    for run, entry in zip(runs, case.entries(), strict=True):
        assert run.registers["error"] == Error.NONE
        assert run.registers["isa_version"] == ISA_VERSION
        assert run.registers["configuration"] == CONFIG.hash
        expected = golden.run(case.network, entry)
        for output in program.manifest.outputs:
            size = int(np.prod(output.shape))
            found = np.frombuffer(run.output, np.int8, size, output.offset)
            assert np.array_equal(found.reshape(output.shape), expected[output.name])


def test_a_faulty_program(tmp_path: Path) -> None:
    """The host sees code and tag over AXI4-Lite, and reaches every register."""
    case = Case(branchy())
    program = case.compile(CONFIG)
    words = bytearray(program.words)
    number = next(n for n, one in enumerate(program.instructions) if one.opcode is Opcode.POOL)
    tag = program.instructions[number].field("tag")
    words[INSTRUCTION_BYTES * number] = 0xEE
    made = job(case, program).with_program(bytes(words))
    (run,) = run_job(emit_overlay(CONFIG), made, folder=tmp_path)
    assert run.registers.keys() == REGISTERS.keys()
    assert (run.registers["error"], run.registers["error_tag"]) == (Error.ILLEGAL_OPCODE, tag)
