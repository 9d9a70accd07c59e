"""The steps from a model to its answers, as typed functions; the command line calls these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy.typing as npt

from boards.runtime.bundle import MODEL_FILE, Bundle
from dse.assembly.disassemble import text
from dse.assembly.instruction import Instruction
from dse.assembly.program import PROGRAM_FILE, Program, program_bytes, read_program
from dse.compile.compiler import compile_network
from dse.files.about import about
from dse.network.inputs import read_inputs, validate
from dse.onnx.importer import Imported
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig
from hw.isa.errors import InputError
from sim import simulation
from sim.fast.simulated_run import IDEAL, Timing
from sim.verilator import toolchain

Arrays = Mapping[str, npt.NDArray]


def compile(
    model: Imported,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    batch: int = 1,
) -> Program:
    """The program that executes a model on an overlay; ``save`` writes its files.

    ``batch``: images of a run.

    InputError of a model with operators for the host between layers: see ``bundle``.
    """
    if len(model.segments) > 1:
        raise InputError(
            f"{model.network.name} has {len(model.segments)} programs, between which the host"
            " works: polymap.bundle compiles all of them"
        )
    return compile_network(model.network, config, mapping, batch)


def bundle(
    model: Imported,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    batch: int = 1,
) -> Bundle:
    """The programs that execute a model, and what the host runs between them."""
    return Bundle.of(model, config, mapping, batch)


def read_images(path: str | Path, model: Imported) -> dict[str, npt.NDArray]:
    """The images of an ``.npz`` file, checked against the model's inputs."""
    return read_inputs(path, model.host.inputs)


def simulate(
    model: Imported,
    inputs: str | Path | Arrays,
    config: OverlayConfig,
    *,
    mapping: LayerMapping | None = None,
    timing: Timing = IDEAL,
    batch: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> simulation.Result:
    """Run the overlay's RTL on every image and compare it with the golden model.

    ``inputs``: arrays by ONNX input name, batch axis first, or an ``.npz`` file of them.
    ``batch``: images of a run.
    ``progress`` is called with the cycles done and the cycles expected.
    """
    if isinstance(inputs, str | Path):
        inputs = read_images(inputs, model)
    inputs = validate(inputs, model.host.inputs, "inputs")
    given = len(next(iter(inputs.values())))
    if batch > given:
        raise InputError(f"--batch {batch}: the inputs hold only {given} image(s)")
    toolchain()  # what is missing shows before the long work
    return simulation.simulate(
        model, inputs, config, mapping=mapping, timing=timing, batch=batch, progress=progress
    )


def read_instructions(
    path: str | Path, config: OverlayConfig | None = None
) -> tuple[Instruction, ...]:
    """The instructions of a ``program.bin``, or of the folder of a program, checksums verified.

    ``config``: the overlay that the program must be for.
    """
    path = Path(path)
    with about(path):
        if (path / MODEL_FILE).exists() and not (path / PROGRAM_FILE).exists():
            raise InputError(f"it holds a program for each segment: name one, {path}/segment1")
        if path.is_dir():
            return Program.load(path, config).instructions
        return read_program(program_bytes(path), config)[1]


def disassemble(program: Program | Sequence[Instruction] | str | Path) -> str:
    """The instructions of a program, of a list or of a file, one a line."""
    if isinstance(program, Program):
        return text(program.instructions)
    return text(read_instructions(program) if isinstance(program, str | Path) else program)


def read_mapping(path: str | Path) -> LayerMapping:
    """The choices that a ``mapping.json`` forces for layers."""
    with about(path):
        return LayerMapping.load(Path(path))
