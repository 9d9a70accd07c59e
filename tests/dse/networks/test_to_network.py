from __future__ import annotations

from pathlib import Path

import pytest

from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.from_network import from_network
from dse.network.inputs import read_arrays
from dse.network.to_network import to_network
from dse.networks.catalogue import BENCHMARKS, benchmark
from dse.onnx.importer import load
from hw.isa.config import OverlayConfig

DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_the_network_has_the_workloads_shapes(name: str) -> None:
    workload = benchmark(name)
    assert from_network(to_network(workload)) == workload


def test_cycles_depend_on_shapes_alone() -> None:
    network = load(DIGITS / "digits.onnx", read_arrays(DIGITS / "calibration.npz")).network
    config = OverlayConfig(rows=8, columns=12, tensor_bytes=1 << 16)
    found = [
        program_cycles(compile_network(one, config), config)
        for one in (network, to_network(from_network(network)))
    ]
    assert found[0].total == found[1].total
