"""What an exploration promises, kept by the RTL: ``python -m benchmarks.explored [NETWORK ..]``.

The best design of each network for a board (``--board``, ``--bare``, ``--array``), with random
weights and one random image: the cycles of the exact model, those of the whole overlay in Verilator
with ideal memory, and the bytes in which outputs and intermediate tensors differ from the golden
model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from benchmarks.clock import Stages
from boards.board import BOARDS, Board, board
from dse.cost.clock import unit
from dse.explore.exploration import Exploration
from dse.explore.search import explore
from dse.network.numbers import with_random_numbers
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark
from dse.onnx import importer
from dse.process import interrupt
from polymap.api.command_line import parse_array
from sim.fast_overlay import build_overlay
from sim.simulation import Result, simulate
from tests.kit.qdq import qdq_model

SEED = 1


def run(
    name: str, target: Board, array: tuple[int, int] | None = None
) -> tuple[Exploration, Result]:
    """The exploration, compiled, and its program's run in RTL; prints the time of each stage."""
    stages = Stages()
    outline = without_dense(benchmark(name))
    network = with_random_numbers(outline)
    with stages.stage("exploration"):
        found = explore(outline, target, array=array).compiled(network)
    with stages.stage("import"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(qdq_model(network), path)
        model = importer.load(path)
    assert found.configuration is not None
    with stages.stage("Verilog and its build"):
        build_overlay(found.configuration)
    rng = np.random.default_rng(SEED)
    images = {
        port.name: rng.integers(-128, 128, (1, *_planes(network.tensors[port.name].shape)), np.int8)
        for port in model.host.inputs
    }
    with stages.stage("compilation, RTL, golden model"):
        return found, simulate(model, images, found.configuration, mapping=found.choices)


def _planes(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """CHW of HWC."""
    height, width, channels = shape
    return channels, height, width


def line(found: Exploration, result: Result) -> str:
    """A row of the table."""
    config, execution = result.config, found.execution
    assert execution is not None
    cells = (
        found.mapping.network,
        f"{config.rows} x {config.columns}, {config.lanes}",
        f"{execution.cycles.total:,}",
        f"{result.cycles:,}",
        f"{result.cycles / found.mapping.clock_hz * 1e3:.3f}",
        f"{result.mismatches} in {len(result.compared_tensors)}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["googlenet"], metavar="NETWORK")
    parser.add_argument("--board", choices=sorted(BOARDS), default="u200")
    parser.add_argument("--bare", action="store_true", help="all of the board's device")
    parser.add_argument("--array", type=parse_array, metavar="RxC")
    options = parser.parse_args()
    target = board(options.board, bare=options.bare)
    lines = [
        f"| network | array, lanes | predicted | RTL | {unit(target.clock_standing)} "
        "| mismatches in tensors |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name in options.networks:
        lines.append(line(*run(name, target, options.array)))
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "explored"))
