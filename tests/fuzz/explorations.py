"""Explorations of random networks, kept: ``python -m tests.fuzz.explorations --count 200``.

What ``explore`` writes is compiled through its files, runs in the functional model with the golden
model's bytes, and takes the foretold cycles; every fiftieth in RTL as well.  A refusal must name a
bound that is broken.  ``--networks DIR`` does the same to the models of a folder, but
runs only the smaller ones in the functional model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import polymap
from boards.board import BOARDS, Board
from dse.assembly.program import Program
from dse.compile.segmented import compile_segments
from dse.cost import Infeasible
from dse.cycles.whole_program import program_cycles
from dse.explore.exploration import CONFIGURATION_FILE, MAPPING_FILE, Exploration
from dse.explore.objectives import Objective
from dse.network.graph import Network
from dse.network.numbers import without_numbers
from dse.network.segments import segments
from dse.onnx import importer, source
from dse.onnx.findings import UnsupportedError
from dse.onnx.randomise import randomise
from dse.passes import Passes
from hw.isa.config import OverlayConfig
from hw.isa.errors import one_line
from sim import functional, golden
from tests.fuzz.campaign import Verdict, command
from tests.fuzz.drawn import drawn_network

ARRAY = 16, 32  # for models of a folder
FUNCTIONAL_MACS = 200_000_000  # larger ones do not run in the functional model
RTL_EVERY = 50
RTL_SIDE = 6  # rows and columns, at most, of overlays that are built


class Serial:
    """Runs a search in its own process: fuzzers' workers may not have children."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        """The function's values, in order."""
        return [function(item) for item in items]


def judge(seed: int) -> Verdict:
    """A random network on a random board, array and space."""
    rng = np.random.default_rng(seed)
    network = drawn_network(rng)
    rtl = seed % RTL_EVERY == 0
    board, options = _rtl_options(rng) if rtl else _options(rng)
    try:
        found = polymap.explore(without_numbers(network), board, executor=Serial(), **options)
    except Infeasible as refusal:
        return Verdict(
            kind=f"refused for {refusal.bound}",
            good=refusal.needed > refusal.available,
            detail=str(refusal),
        )
    return kept(network, found, rtl=rtl)


def kept(network: Network, found: Exploration, *, run: bool = True, rtl: bool = False) -> Verdict:
    """Whether an exploration's files compile, with and without exact cycles, and come true.

    ``run``: in the functional model as well.
    """
    assert found.configuration is not None
    compile_segments(network, found.configuration, found.choices)
    found = found.compiled(network)
    assert found.execution is not None
    foretold = found.execution.cycles.total
    programs, config = _through_files(network, found)
    cycles = sum(program_cycles(program, config).total for program in programs)
    if cycles != foretold:
        return Verdict(kind="other cycles", good=False, detail=f"{foretold} became {cycles}")
    if not run:
        return Verdict(kind="cycles kept", good=True)
    parts = list(zip(segments(network), programs, strict=True))
    wrong = [name for part, program in parts for name in _differences(part, program, config)]
    if wrong:
        return Verdict(kind="other bytes", good=False, detail=", ".join(wrong))
    if rtl:
        cycles = sum(_rtl_cycles(part, program, config) for part, program in parts)
        if cycles != foretold:
            return Verdict(kind="other cycles in RTL", good=False, detail=f"{foretold}: {cycles}")
    return Verdict(kind="kept in RTL" if rtl else "kept", good=True)


def _options(rng: np.random.Generator) -> tuple[Board | None, dict[str, Any]]:
    lanes = [(2, 1), (1,), (2,)][rng.integers(3)]
    winograd = [polymap.Space().winograd, ("none",), ("f2",), ("f4",), ("both",)][rng.integers(5)]
    flags = rng.random(6) < 0.8
    options: dict[str, Any] = {
        "space": polymap.Space(lanes=lanes, winograd=winograd),
        "passes": Passes(
            **dict(
                zip(
                    ("merge", "fold", "space_to_depth", "pool_parts", "concat_in_place", "apart"),
                    map(bool, flags),
                    strict=True,
                )
            )
        ),
        "certify": bool(rng.random() < 0.2),
    }
    board = None
    if rng.random() < 0.6:
        board = BOARDS[str(rng.choice(sorted(BOARDS)))]
        dsp = int(rng.choice([60, 150, 400]))
        clock = min(float(rng.choice([50e6, 150e6, 200e6])), board.clock_hz)
        board = polymap.limited(board, dsp=dsp, clock_hz=clock)
    if board is not None and rng.random() < 0.1:
        options["objective"] = Objective.DSP
    if board is None or rng.random() < 0.5:
        options["array"] = tuple(int(n) for n in rng.integers(2, 25 if board is None else 15, 2))
    return board, options


def _rtl_options(rng: np.random.Generator) -> tuple[None, dict[str, Any]]:
    array = tuple(int(n) for n in rng.integers(2, RTL_SIDE + 1, 2))
    return None, {"array": array, "space": polymap.Space(axi_bytes=8), "certify": False}


def _through_files(
    network: Network, found: Exploration
) -> tuple[tuple[Program, ...], OverlayConfig]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found.save(folder)
        config = polymap.configure(path=folder / CONFIGURATION_FILE)
        mapping = polymap.read_mapping(folder / MAPPING_FILE)
    return compile_segments(network, config, mapping), config


def _image(network: Network) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        name: rng.integers(-128, 128, network.tensors[name].shape).astype(np.int8)
        for name in network.inputs
    }


def _differences(network: Network, program: Program, config: OverlayConfig) -> list[str]:
    """The tensors in which functional and golden model differ."""
    image = _image(network)
    expected = golden.run(network, image)
    run = functional.run(program, config, image)
    assert set(run.outputs) == set(network.outputs)
    return [
        name
        for name, value in {**run.tensors, **run.outputs}.items()
        if name in expected and not np.array_equal(value, expected[name])
    ]


def _rtl_cycles(network: Network, program: Program, config: OverlayConfig) -> int:
    from sim.fast_overlay import build_overlay
    from sim.simulation import output_tensors, run_program

    image = _image(network)
    (run,) = run_program(build_overlay(config), program, [image])
    expected = golden.run(network, image)
    for name, value in output_tensors(run, program).items():
        assert np.array_equal(value, expected[name]), f"{name} differs in RTL"
    return run.cycles


def judge_model(paths: Sequence[Path], number: int) -> Verdict:
    """A model of a folder, its weights drawn, on the array of 16 x 32.

    It is explored as it is, without calibration, and compiled calibrated.
    """
    path = paths[number]
    report = polymap.check(path)
    if not report.supported:
        return _refused_alike(path, report)
    found = polymap.explore(
        polymap.workload(path), None, array=ARRAY, certify=False, executor=Serial()
    )
    network = _calibrated(path)
    small = network.macs() < FUNCTIONAL_MACS
    verdict = kept(network, found, run=small)
    return replace(verdict, detail=f"{path.name}: {verdict.detail}")


def _refused_alike(path: Path, report: polymap.Report) -> Verdict:
    try:
        polymap.workload(path)
    except Exception as error:
        alike = one_line(UnsupportedError(report.problems)) in one_line(error)
        kind = "refused by check and explore"
        return Verdict(kind=kind, good=alike, detail=f"{path.name}: {one_line(error)}")
    return Verdict(kind="refused by check alone", good=False, detail=path.name)


def _calibrated(path: Path) -> Network:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        filled = Path(folder) / path.name
        onnx.save(randomise(onnx.load(path), 1), filled)
        ports = source.read(filled).inputs
        image = {port.name: rng.normal(size=port.shape).astype(port.dtype) for port in ports}
        return importer.load(filled, image).network


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--networks", type=Path, help="a folder of ONNX models")
    options, rest = parser.parse_known_args(argv)
    text = __doc__.splitlines()[0]
    if options.networks is None:
        return command(judge, text, count=200, argv=rest)
    paths = sorted(options.networks.glob("*.onnx"))
    return command(partial(judge_model, paths), text, count=len(paths), argv=rest)


if __name__ == "__main__":
    sys.exit(main())
