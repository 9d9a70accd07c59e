"""Models of a folder, one a line: in how many segments they run, how fast, and how near to float.

``python -m benchmarks.models FOLDER`` draws the weights of models that have none, quantises with
one image of noise, and runs it in the golden and the functional model of a 16 x 32 overlay.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

import polymap
from dse.assembly.program import Program
from dse.compile.segmented import compile_segments
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Network
from dse.onnx.importer import Imported
from dse.onnx.randomise import randomise
from hw.isa.config import OverlayConfig
from hw.isa.errors import PolymapError
from sim import functional, golden
from sim.fast.simulated_run import IDEAL

Arrays = Mapping[str, npt.NDArray]
HEAD = """| model | segments | layers | cycles | correlation with float | differences |
|---|---|---|---|---|---|"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="of models, without .onnx; default: all")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.onnx"))
    print(HEAD, flush=True)
    for path in paths:
        if not arguments.names or path.stem in arguments.names:
            try:
                print(row(path), flush=True)
            except PolymapError as error:
                print(f"| {path.stem} | | | | | {error} |", flush=True)
    return 0


def row(path: Path) -> str:
    """What became of a model."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / path.name
        onnx.save(randomise(onnx.load(path), 1), drawn)
        image = _noise(drawn)
        imported = polymap.load(drawn, image)
        right = _float(drawn, image)
    config = polymap.fit(imported, polymap.configuration(16, 32, 2))
    programs = compile_segments(imported.network, config)
    cycles = sum(program_cycles(program, config, IDEAL).total for program in programs)
    layers = sum(len(program.manifest.layers) for program in programs)
    answers, differences = _answers(imported, image, programs, config)
    near = min(_correlation(answers[name], array) for name, array in right.items())
    return f"| {path.stem} | {len(programs)} | {layers} | {cycles:,} | {near:.4f} | {differences} |"


def _answers(
    imported: Imported, image: Arrays, programs: Sequence[Program], config: OverlayConfig
) -> tuple[Arrays, int]:
    """The golden model's answers, and how many bytes of the functional model's are others."""
    program_of = dict(zip(imported.segments, programs, strict=True))
    differences = 0

    def execute(network: Network, inputs: Arrays) -> Arrays:
        nonlocal differences
        tensors = golden.run(network, inputs)
        run = functional.run(program_of[network], config, inputs)
        differences += sum(int((tensors[n] != t).sum()) for n, t in run.outputs.items())
        return tensors

    return imported.answer(image, execute), differences


def _noise(path: Path) -> dict[str, npt.NDArray]:
    rng = np.random.default_rng(0)
    ports = onnxruntime.InferenceSession(path).get_inputs()
    shapes = {p.name: [n if isinstance(n, int) else 1 for n in p.shape] for p in ports}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _float(path: Path, image: Arrays) -> dict[str, npt.NDArray]:
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(image)), strict=True))


def _correlation(found: npt.NDArray, right: npt.NDArray) -> float:
    return float(np.corrcoef(found.ravel(), right.ravel())[0, 1])


if __name__ == "__main__":
    sys.exit(main())
