"""Models from end to end, without RTL: where they run, their cycles, how near to float they are.

    python -m benchmarks.coverage FOLDER --array 16x32 --lanes 2

Each ``.onnx`` file of the folder gets seeded random weights where it has none, is quantised on one
random image, compiled, and run on it by the golden and the functional model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from dse.compile.segmented import compile_segments
from dse.cycles.whole_program import program_cycles
from dse.explore.memories import fit
from dse.network.graph import Network, NetworkError
from dse.onnx import source
from dse.onnx.host import Int8s, Subgraph
from dse.onnx.importer import Imported, load
from dse.onnx.randomise import randomise
from dse.onnx.reading import check
from hw.isa.config import OverlayConfig
from polymap.api.command_line import configure
from sim import functional, golden

Arrays = dict[str, npt.NDArray]


@dataclass(frozen=True, kw_only=True)
class CoverageRow:
    """What became of a model.

    Members
    -------
    middle : the host's operators between segments, counted.
    differences : bytes in which the functional model differs from the golden model.
    correlation : of all outputs with the float model's, the least.
    """

    name: str
    segments: int
    middle: str
    cycles: int
    differences: int
    correlation: float

    def __str__(self) -> str:
        cells = [self.name, "whole" if self.segments == 1 else f"{self.segments} segments"]
        cells += [self.middle or "", f"{self.cycles:,}", f"{self.differences}"]
        return f"| {' | '.join([*cells, f'{self.correlation:.4f}'])} |"


HEADER = "| network | on the overlay | host in the middle | cycles | differences | correlation |"


def cover(path: Path, asked: OverlayConfig, seed: int) -> CoverageRow:
    """Run one model."""
    report = check(path)
    ports = source.read(path).inputs
    rng = np.random.default_rng(seed)
    image = {port.name: rng.normal(size=port.shape).astype(port.dtype) for port in ports}
    model = load(path, image)
    config = fit(model, asked)
    programs = compile_segments(model.network, config)
    wrong: list[int] = []

    def execute(network: Network, inputs: Int8s) -> Int8s:
        program = programs[len(wrong)]
        expected = golden.run(network, inputs)
        made = functional.run(program, config, inputs).outputs
        wrong.append(sum(np.count_nonzero(made[n] != expected[n]) for n in network.outputs))
        return expected

    answer = model.answer(image, execute)
    kinds = Counter(operator for one in report.crossings for _, operator in one.nodes)
    return CoverageRow(
        name=path.stem,
        segments=len(model.segments),
        middle=", ".join(f"{count} {operator}" for operator, count in kinds.items()),
        cycles=sum(program_cycles(program, config).total for program in programs),
        differences=sum(wrong),
        correlation=min(_correlations(model, path, image, answer)),
    )


def _correlations(model: Imported, path: Path, image: Arrays, answer: Arrays) -> Iterator[float]:
    right = Subgraph(onnx.load(path)).run(image)
    for name in model.host.outputs:
        ours, theirs = (found[name].astype(np.float64).ravel() for found in (answer, right))
        constant = not (np.ptp(ours) and np.ptp(theirs))
        yield float(np.allclose(ours, theirs)) if constant else np.corrcoef(ours, theirs)[0, 1]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--array", default="16x32")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    config = configure(options.array, options.lanes)
    print(HEADER)
    print("|---|---|---|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(options.folder.glob("*.onnx")):
            copy = Path(folder) / path.name
            try:
                onnx.save(randomise(onnx.load(path), options.seed), copy)
                print(cover(copy, config, options.seed), flush=True)
            except NetworkError as error:
                print(f"| {path.stem} | refused: {error} | | | | |", flush=True)
            copy.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
