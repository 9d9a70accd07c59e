"""Damaged models, arrays, documents and programs, given to the real commands.

``python -m tests.fuzz.tools --count 1000``.  A case is bad if a command ends in an internal error
or in more than one line, or not within 30 s of the processor and 2 GB.
"""

from __future__ import annotations

import functools
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

import polymap
from dse import pipeline as search
from dse.files.documents import CHECKSUM, seal
from dse.network.graph import Conv, Network, Numbers, Pool, Quantisation, Tensor, Window
from polymap.api import elaboration
from polymap.cli import NAME
from polymap.commands.app import app
from sim import simulation as simulate
from tests.fuzz import campaign, graphs, mutations
from tests.fuzz.campaign import Verdict
from tests.fuzz.limited import Outcome, limited
from tests.kit.qdq import qdq_model

ARRAY = ("--array", "4x4", "--lanes", "2")
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
PIPELINE = Path(search.__path__[0]) / "data" / "alexnet.json"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
ENDS = (0, 2)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Arguments of a program, and what was damaged."""

    damage: str
    program: str
    arguments: Sequence[str]


def judge(seed: int) -> Verdict:
    """One case."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        case = rng.choice(MAKERS)(rng, Path(folder))
        outcome = limited(functools.partial(_run, case))
    kind = f"{case.damage}: {case.program}"
    fault = _fault(outcome)
    if fault is None:
        return Verdict(kind=f"{kind} {'accepted' if outcome.code == 0 else 'refused'}", good=True)
    said = " | ".join(outcome.stderr.splitlines()[-8:])
    arguments = " ".join(case.arguments)
    return Verdict(kind=f"{kind} {fault}", good=False, detail=f"{arguments}: {said}"[-1500:])


def _fault(outcome: Outcome) -> str | None:
    if outcome.code is None:
        return f"took too much {outcome.exceeded}"
    if outcome.code not in ENDS:
        return f"ended with {outcome.code}"
    if "internal error" in outcome.stderr or "Traceback" in outcome.stderr:
        return "internal error"
    lines = outcome.stderr.count("\n")
    return f"said {lines} lines" if lines != (outcome.code != 0) else None


class _WouldStart(polymap.InputError):
    """Where the RTL would be made, which takes long by itself."""


def _run(case: Case) -> int | None:
    def build(*arguments: object, **options: object) -> None:
        raise _WouldStart("the RTL would be made")

    simulate.build_overlay = build  # type: ignore[assignment]
    elaboration.emit = elaboration.emit_overlay = build  # type: ignore[assignment]
    try:
        app([case.program, *case.arguments], prog_name=NAME)
    except SystemExit as end:
        if case.program != "run":
            raise
        return 2 if end.code else 0  # there is no card: 1 is right, too
    return 0


def _model(rng: random.Random, folder: Path) -> Case:
    """A damaged model."""
    model, arrays, calibration = rng.choice(_models())
    made = onnx.ModelProto()
    made.CopyFrom(model)
    kind = rng.choice(("graph", "graph", "graph", "fields", "bytes"))
    if kind == "graph":
        graphs.nonsense(rng, made)
    elif kind == "fields":
        mutations.message(rng, made)
    data = made.SerializeToString()
    if kind == "bytes":
        data = mutations.damaged(rng, data)
    path = _file(folder, "model.onnx", data)
    program = rng.choice(
        ("check", "check", "compile", "explore", "simulate") if arrays else ("check",)
    )
    images = folder / "x.npz"
    np.savez(images, **arrays)
    needed = ("--calibration", str(images)) if calibration else ()
    out = ("--out", str(folder / "out"))
    arguments = {
        "check": (path,),
        "compile": (path, *ARRAY, *needed, *out),
        "explore": (path, *ARRAY, *needed, *out),
        "simulate": (path, *ARRAY, *needed, *out, "--input", str(images)),
    }
    return Case(damage=f"model ({kind})", program=program, arguments=arguments[program])


def _arrays(rng: random.Random, folder: Path) -> Case:
    """Damaged images or calibration."""
    model, arrays, calibration = rng.choice(_models()[:2])
    path = _file(folder, "model.onnx", model.SerializeToString())
    bad = _file(folder, "bad.npz", mutations.npz(rng, arrays))
    out = ("--out", str(folder / "out"))
    if calibration and rng.random() < 0.6:
        arguments: tuple[str, ...] = (path, *ARRAY, "--calibration", bad, *out)
        return Case(damage="calibration", program="compile", arguments=arguments)
    good = folder / "good.npz"
    np.savez(good, **arrays)
    needed = ("--calibration", str(good)) if calibration else ()
    arguments = (path, *ARRAY, *needed, "--input", bad, *out)
    return Case(damage="images", program="simulate", arguments=arguments)


def _configuration(rng: random.Random, folder: Path) -> Case:
    """A damaged configuration, manifest or side-car as --config."""
    config = polymap.configuration(4, 4, 2).to_json()
    forms = (config, {"version": 1, **config}, {"configuration": config}, _manifest())
    path = _file(folder, "config.json", mutations.json_text(rng, rng.choice(forms)))
    model = _file(folder, "model.onnx", _models()[0][0].SerializeToString())
    out = ("--out", str(folder / "out"))
    program = rng.choice(("compile", "compile", "disasm", "elaborate"))
    binary = _file(folder, "program.bin", _program()["program.bin"])
    arguments = {
        "compile": (model, "--config", path, *out),
        "disasm": (binary, "--config", path),
        "elaborate": ("--config", path, *out),
    }
    return Case(damage="configuration", program=program, arguments=arguments[program])


def _mapping(rng: random.Random, folder: Path) -> Case:
    """A damaged mapping."""
    mapping = {
        "version": 1,
        "layers": {
            "first": {"dataflow": "IS", "algorithm": "im2col", "fold": 2},
            "second": {"algorithm": "kn2row"},
        },
        "merge": [],
        "space_to_depth": True,
    }
    path = _file(folder, "mapping.json", mutations.json_text(rng, mapping))
    model = _file(folder, "model.onnx", _models()[0][0].SerializeToString())
    arguments = (model, *ARRAY, "--mapping", path, "--out", str(folder / "out"))
    return Case(damage="mapping", program="compile", arguments=arguments)


def _pipeline(rng: random.Random, folder: Path) -> Case:
    """Damaged layers of a pipeline."""
    layers = json.loads(PIPELINE.read_text())["layers"][:3]
    path = _file(folder, "layers.json", mutations.json_text(rng, {"layers": layers}))
    return Case(damage="layers", program="pipeline", arguments=(path, "--out", str(folder / "out")))


def _folder(rng: random.Random, folder: Path) -> Case:
    """A program one of whose files is damaged; its manifest with a right checksum, or not."""
    files = dict(_program())
    name = rng.choice(sorted(files))
    if name == "manifest.json":
        files[name] = mutations.json_text(rng, _manifest())
        if rng.random() < 0.7:
            files[name] = _sealed(files[name])
    else:
        files[name] = mutations.damaged(rng, files[name])
    for file, data in files.items():
        _file(folder, file, data)
    if rng.random() < 0.5:
        target = folder / rng.choice(("", "program.bin"))
        return Case(damage=name, program="disasm", arguments=(str(target),))
    np.savez(folder / "x.npz", x=np.zeros((1, 6, 5, 3), np.int8))
    rest = ("--input", str(folder / "x.npz"), "--out", str(folder / "out"))
    card = ("--on", "xdma", "--device", str(folder / "card"))
    return Case(damage=name, program="run", arguments=(str(folder), *card, *rest))


MAKERS: tuple[Callable[[random.Random, Path], Case], ...] = (
    *(_model, _model, _model, _model),
    *(_arrays, _configuration, _mapping, _folder, _folder, _pipeline),
)


def _sealed(text: bytes) -> bytes:
    try:
        data = json.loads(text)
        rest = {name: value for name, value in data.items() if name != CHECKSUM}
        return json.dumps(seal(rest)).encode()
    except (AttributeError, RecursionError, ValueError):
        return text


def _file(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


Arrays = dict[str, np.ndarray]


@functools.cache
def _models() -> tuple[tuple[onnx.ModelProto, Arrays, bool], ...]:
    """Models, images for them, and whether those must calibrate; without images: only checked."""
    rng = np.random.default_rng(0)
    digits = dict(np.load(DIGITS / "calibration.npz"))
    (name,) = digits
    return (
        (qdq_model(_network()), {"x": rng.integers(-9, 9, (2, 3, 6, 5)).astype(np.int8)}, False),
        (onnx.load(DIGITS / "digits.onnx"), {name: digits[name][:2]}, True),
        *((onnx.load(LIGHT / f"light_{light}.onnx"), {}, False) for light in ("squeezenet",)),
    )


def _network() -> Network:
    shapes = {"x": (6, 5, 3), "first": (6, 5, 4), "largest": (3, 2, 4), "second": (3, 2, 6)}
    tensors = {n: Tensor(n, *shape, Quantisation(0.05, 3)) for n, shape in shapes.items()}
    largest = Pool("largest", "first", "largest", "max", Window((2, 2), (2, 2)))
    operators = (_conv("x", "first", 4, 3, 3), largest, _conv("largest", "second", 6, 1, 4))
    return Network("small", tensors, operators, ("x",), ("second",))


def _conv(source: str, name: str, cout: int, kernel: int, cin: int) -> Conv:
    return Conv(
        name=name,
        input=source,
        output=name,
        window=Window((kernel, kernel), padding=(kernel // 2,) * 4),
        numbers=Numbers(
            np.ones((cout, kernel, kernel, cin), np.int8),
            np.full(cout, 0.004),
            np.zeros(cout, np.int32),
        ),
    )


@functools.cache
def _program() -> dict[str, bytes]:
    """The files of a program."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(_models()[0][0], folder / "model.onnx")
        model = polymap.load(folder / "model.onnx")
        polymap.compile(model, polymap.configuration(4, 4, 2)).save(folder / "out")
        return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


def _manifest() -> dict[str, object]:
    manifest: dict[str, object] = json.loads(_program()["manifest.json"])
    return manifest


if __name__ == "__main__":
    sys.exit(campaign.command(judge, __doc__.splitlines()[0], count=1000))
