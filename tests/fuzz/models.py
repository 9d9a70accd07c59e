"""Random ONNX models against their own meaning: ``python -m tests.fuzz.models --count 2000``.

Each model is drawn in some spelling (``drawing``), checked, imported, compiled for a small overlay
and run by the golden and the functional model.  A right answer lies within the bounds that the
model's own meaning allows (``meaning``), with its types and shapes; a refusal must be foreseen.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import polymap
from dse.compile.segmented import compile_segments
from dse.network.graph import Conv, Network, Pool
from dse.network.inputs import images, join
from dse.onnx.importer import Imported
from sim import functional, golden
from tests.fuzz.campaign import Verdict, command
from tests.fuzz.drawing import draw
from tests.fuzz.meaning import Array, Bounds, evaluate
from tests.fuzz.spelling import Case


def judge(seed: int) -> Verdict:
    """What became of the model of a seed."""
    case = draw(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(case.model, path)
        return _judge(case, path)


def _judge(case: Case, path: Path) -> Verdict:
    report = polymap.check(path)
    if not report.supported:
        named = {problem.name for problem in report.problems}
        foreseen = bool(case.faults) and named <= set(case.faults)
        reasons = "; ".join(map(str, report.problems[:2]))
        kind = "refused, as foreseen" if foreseen else "refused"
        return Verdict(kind=kind, good=foreseen, detail=reasons)
    imported = polymap.load(path, None if case.quantised else case.images)
    wrong = [*_answers(case, imported), *_runs_alike(case, imported)]
    if not case.quantised:
        wrong += _calibrated(case, imported)
    style = "quantised" if case.quantised else "float"
    style += ", in segments" * (report.segments > 1) + ", faults on the host" * bool(case.faults)
    if wrong:
        return Verdict(kind=f"{style}, wrong", good=False, detail="; ".join(wrong[:3]))
    return Verdict(kind=f"{style}, right", good=True)


def _steps(imported: Imported, model: onnx.ModelProto) -> dict[str, float]:
    """The scales of all tensors, also of those that only a table sees."""
    steps = {name: t.quantisation.scale for name, t in imported.network.tensors.items()}
    makers = {node.output[0]: node for node in model.graph.node}
    for conv in imported.network.convolutions():
        if conv.table is not None:
            name = conv.output
            while makers[name].op_type != "Sigmoid":
                name = makers[name].input[-1]
            steps.setdefault(makers[name].input[0], conv.table.quantisation.scale)
    return steps


def _answers(case: Case, imported: Imported) -> list[str]:
    """Outputs that are not what the model means."""
    steps = None if case.quantised else _steps(imported, case.model)
    bounds = evaluate(case.model, case.images, steps)
    results = []
    for image in images(case.images):
        results.append(imported.answer(image, golden.run))
    answers = join(results)
    if list(answers) != list(dict.fromkeys(value.name for value in case.model.graph.output)):
        return [f"outputs are {list(answers)}"]
    return [fault for name in answers for fault in _beyond(name, answers[name], bounds[name])]


def _beyond(name: str, answer: Array, right: Bounds) -> list[str]:
    if answer.dtype != right.dtype or answer.shape != right.low.shape:
        expected = f"{right.dtype} {right.low.shape}"
        return [f"{name} is {answer.dtype} {answer.shape}, not {expected}"]
    values = answer.astype(np.float64)
    slack = 1e-6 * (1 + np.abs(values)) if answer.dtype.kind == "f" else 0.0
    excess = np.maximum(right.low - slack - values, values - right.high - slack)
    if excess.max(initial=0) <= 0:
        return []
    at = np.unravel_index(excess.argmax(), excess.shape)
    return [f"{name}{list(map(int, at))} is {values[at]}, not {right.low[at]} to {right.high[at]}"]


def _runs_alike(case: Case, imported: Imported) -> list[str]:
    """Tensors of the compiled program that differ from the golden model's."""
    config = polymap.fit(imported, polymap.configuration(4, 6, 2))
    programs = dict(zip(imported.segments, compile_segments(imported.network, config), strict=True))
    wrong = []

    def execute(network: Network, inputs: dict[str, Array]) -> dict[str, Array]:
        expected = golden.run(network, inputs)
        for name, tensor in functional.run(programs[network], config, inputs).outputs.items():
            if not np.array_equal(tensor, expected[name]):
                wrong.append(f"the program's {name} differs from the golden model's")
        return expected

    imported.answer(next(images(case.images)), execute)
    return wrong


def _only_tables(network: Network, name: str) -> bool:
    readers = network.consumers[name]
    tables = [isinstance(op, Pool) and op.table is not None for op in readers]
    return bool(readers) and all(tables) and name not in network.outputs


def _calibrated(case: Case, imported: Imported) -> list[str]:
    """Scales that do not hold what calibration saw, or ranges of activations that do not hold."""
    network, wrong = imported.network, []
    seen = evaluate(case.model, case.images, {})
    for name, tensor in network.tensors.items():
        if name not in seen or _only_tables(network, name):
            continue  # of a table's argument only where the function changes
        q = tensor.quantisation
        low, high = (q.scale * (end - q.zero_point) for end in (-128, 127))
        certain = seen[name].high.min(), seen[name].low.max()  # what is beyond, wherever it lies
        if certain[0] < low - q.scale or certain[1] > high + q.scale:
            wrong.append(f"{name} does not fit its range [{low}, {high}]")
    limits = _limits(case.model)
    tables = {op.output for op in network.operators if isinstance(op, Conv | Pool) and op.table}
    for image in images(case.images):
        for name, values in _tensors(imported, image).items():
            q = network.tensors[name].quantisation
            least, most = limits.get(name, (-np.inf, np.inf))
            reals = (values.astype(np.float32) - np.float32(q.zero_point)) * np.float32(q.scale)
            slack = q.scale / 2 if name in tables else 0.0  # a table rounds to the nearest
            least, most = least - slack, most + slack
            if most - least > q.scale and (reals.min() < least or reals.max() > most):
                wrong.append(f"{name} leaves [{least}, {most}]: [{reals.min()}, {reals.max()}]")
    return wrong


def _tensors(imported: Imported, image: dict[str, Array]) -> dict[str, Array]:
    """All tensors of an image."""
    found: dict[str, Array] = {}

    def execute(network: Network, inputs: dict[str, Array]) -> dict[str, Array]:
        found.update(golden.run(network, inputs))
        return found

    imported.answer(image, execute)
    return found


def _limits(model: onnx.ModelProto) -> dict[str, tuple[float, float]]:
    """The bounds of every Relu and Clip by output."""
    meaning = evaluate_constants(model)
    limits = {}
    for node in model.graph.node:
        if node.op_type == "Relu":
            limits[node.output[0]] = (0.0, np.inf)
        if node.op_type == "Clip":
            given = {a.name: a.f for a in node.attribute}
            for side, name in zip(("min", "max"), node.input[1:], strict=False):
                if name:
                    given[side] = float(meaning[name])
            low, high = given.get("min", -np.inf), given.get("max", np.inf)
            limits[node.output[0]] = (min(low, high), high)
    return limits


def evaluate_constants(model: onnx.ModelProto) -> dict[str, Array]:
    """Initializers and the results of Constant nodes."""
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    return arrays


if __name__ == "__main__":
    sys.exit(command(judge, __doc__ or "", count=2000))
