"""Models from end to end, without RTL: where they run, how fast, and how near to float they are.

    python -m benchmarks.models FOLDER [NAME ...] --array 16x32 --lanes 2

Each ``.onnx`` file (or those of the names) gets seeded random weights where it has none, is
quantised on one image of noise (or with ``--text`` of a drawn line), compiled, and run on it by the
golden and the functional model.
``--shape`` sets the free axes of all models that have that input.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.subjects import Subject, own_shapes
from benchmarks.text import text_images
from dse.compile.segmented import compile_segments
from dse.cycles.whole_program import program_cycles
from dse.explore.memories import fit
from dse.network.graph import Network
from dse.onnx.findings import HostCrossing
from dse.onnx.host import Int8s
from dse.process import interrupt
from hw.isa.config import OverlayConfig
from hw.isa.errors import PolymapError
from polymap.api.command_line import configure, parse_shapes
from sim import functional, golden
from sim.fast.simulated_run import IDEAL

HEADER = """| network | on the overlay | host between | layers | cycles | correlation | differ |
|---|---|---|---:|---:|---:|---:|"""


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """What became of a model.

    Members
    -------
    crossings : the ways from a segment of the overlay to the next, through the host.
    cycles : of all segments, by the exact model with ideal memory.
    correlation : of all outputs with the float model's, the least.
    differences : bytes in which the functional model differs from the golden model ("differ").
    """

    name: str
    crossings: tuple[HostCrossing, ...]
    layers: int
    cycles: int
    correlation: float
    differences: int

    @property
    def between(self) -> str:
        """The host's operators between segments, counted, and the bytes that cross."""
        if not self.crossings:
            return ""
        counts = Counter(operator for one in self.crossings for _, operator in one.nodes)
        listed = ", ".join(f"{count} {operator}" for operator, count in counts.items())
        crossed = sum(one.stored + one.loaded for one in self.crossings)
        return f"{listed}; {crossed:,} bytes"

    def __str__(self) -> str:
        segments = len(self.crossings) + 1
        where = "whole" if segments == 1 else f"{segments} segments"
        numbers = (f"{self.layers}", f"{self.cycles:,}", f"{self.correlation:.4f}")
        cells = [self.name, where, self.between, *numbers, f"{self.differences}"]
        return f"| {' | '.join(cells)} |"


def row(subject: Subject, asked: OverlayConfig) -> ModelRow:
    """Run a model on an overlay with memories that are large enough."""
    model = subject.model
    config = fit(model, asked)
    programs = compile_segments(model.network, config)
    program_of = dict(zip(model.segments, programs, strict=True))
    differences = 0

    def execute(network: Network, inputs: Int8s) -> Int8s:
        nonlocal differences
        expected = golden.run(network, inputs)
        made = functional.run(program_of[network], config, inputs).outputs
        differences += sum(np.count_nonzero(made[n] != expected[n]) for n in network.outputs)
        return expected

    return ModelRow(
        name=subject.name,
        crossings=subject.report.crossings,
        layers=sum(len(program.manifest.layers) for program in programs),
        cycles=sum(program_cycles(program, config, IDEAL).total for program in programs),
        correlation=subject.correlation(model.answer(subject.image, execute)),
        differences=differences,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="of models, without .onnx; default: all")
    parser.add_argument("--array", default="16x32", help="rows x columns")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--shape", action="append", metavar="NAME:1,3,64,96")
    parser.add_argument("--text", help="drawn on the image; needs --shape")
    parser.add_argument("--seed", type=int, default=1, help="of weights and noise")
    options = parser.parse_args(argv)
    config, shapes = configure(options.array, options.lanes), parse_shapes(options.shape)
    paths = sorted(options.folder.glob("*.onnx"))
    print(HEADER, flush=True)
    for path in paths:
        if options.names and path.stem not in options.names:
            continue
        try:
            own = own_shapes(path, shapes)
            subject = Subject.of(path, own, options.seed, text_images(options.text, own))
            print(row(subject, config), flush=True)
        except PolymapError as error:
            print(f"| {path.stem} | refused: {error} | | | | | |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "models"))
