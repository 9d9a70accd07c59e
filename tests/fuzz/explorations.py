"""Explorations of random networks, kept: ``python -m tests.fuzz.explorations --count 200``.

What ``explore`` writes is compiled through its files, runs in the functional model with the golden
model's bytes, and takes the foretold cycles; every fiftieth in RTL as well.  A refusal must name a
bound that is broken.  ``--networks DIR`` does the same to the models of a folder.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import polymap
from boards.board import BOARDS, Board
from dse.cost import Infeasible
from dse.cost.overlay import program_cycles
from dse.network.graph import Network
from dse.networks import from_network
from dse.passes import Passes
from dse.program import Program, compile_network
from hw.config import OverlayConfig
from polymap.choices import Objective
from polymap.exploration import CONFIGURATION_FILE, MAPPING_FILE, Exploration
from sim import functional, golden
from tests.fuzz.campaign import Verdict, command
from tests.fuzz.drawn import drawn_network

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
        found = polymap.explore(from_network(network), board, executor=Serial(), **options)
    except Infeasible as refusal:
        return Verdict(
            kind=f"refused for {refusal.bound}",
            good=refusal.needed > refusal.available,
            detail=str(refusal),
        )
    return kept(network, found, rtl=rtl)


def kept(network: Network, found: Exploration, *, rtl: bool = False) -> Verdict:
    """Whether an exploration's files compile, with and without exact cycles, and come true."""
    assert found.configuration is not None
    compile_network(network, found.configuration, found.choices)
    found = found.compiled(network)
    assert found.execution is not None
    foretold = found.execution.cycles.total
    program, config = _through_files(network, found)
    cycles = program_cycles(program, config).total
    if cycles != foretold:
        return Verdict(kind="other cycles", good=False, detail=f"{foretold} became {cycles}")
    wrong = _differences(network, program, config)
    if wrong:
        return Verdict(kind="other bytes", good=False, detail=", ".join(wrong))
    if rtl and (cycles := _rtl_cycles(network, program, config)) != foretold:
        return Verdict(kind="other cycles in RTL", good=False, detail=f"{foretold}: {cycles}")
    return Verdict(kind="kept in RTL" if rtl else "kept", good=True)


def _options(rng: np.random.Generator) -> tuple[Board | None, dict[str, Any]]:
    lanes = [(2, 1), (1,), (2,)][rng.integers(3)]
    winograd = [polymap.Space().winograd, ("none",), ("f2",), ("f4",), ("both",)][rng.integers(5)]
    flags = rng.random(5) < 0.8
    options: dict[str, Any] = {
        "space": polymap.Space(lanes=lanes, winograd=winograd),
        "passes": Passes(
            **dict(
                zip(
                    ("merge", "fold", "space_to_depth", "pool_parts", "concat_in_place"),
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
        board = polymap.limited(board, dsp=dsp, clock_hz=float(rng.choice([50e6, 150e6, 200e6])))
    if board is not None and rng.random() < 0.1:
        options["objective"] = Objective.DSP
    if board is None or rng.random() < 0.5:
        options["array"] = tuple(int(n) for n in rng.integers(2, 25 if board is None else 15, 2))
    return board, options


def _rtl_options(rng: np.random.Generator) -> tuple[None, dict[str, Any]]:
    array = tuple(int(n) for n in rng.integers(2, RTL_SIDE + 1, 2))
    return None, {"array": array, "space": polymap.Space(axi_bytes=8), "certify": False}


def _through_files(network: Network, found: Exploration) -> tuple[Program, OverlayConfig]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found.save(folder, report=False)
        config = polymap.configure(path=folder / CONFIGURATION_FILE)
        mapping = polymap.read_mapping(folder / MAPPING_FILE)
    return compile_network(network, config, mapping), config


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
    from sim.fast.overlay import build_overlay
    from sim.simulate import output_tensors, run_program

    image = _image(network)
    (run,) = run_program(build_overlay(config), program, [image])
    expected = golden.run(network, image)
    for name, value in output_tensors(run, program).items():
        assert np.array_equal(value, expected[name]), f"{name} differs in RTL"
    return run.cycles


if __name__ == "__main__":
    sys.exit(command(judge, __doc__.splitlines()[0], count=200))
