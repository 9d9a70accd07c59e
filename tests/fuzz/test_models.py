"""A few dozen random models mean the same everywhere; and the reference itself is right."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.fuzz.campaign import campaign
from tests.fuzz.drawing import draw
from tests.fuzz.meaning import evaluate
from tests.fuzz.models import _beyond, judge
from tests.fuzz.spelling import Case


def test_models_answer_as_they_mean() -> None:
    found = campaign(judge, range(48), workers=1)
    assert found.bad == ()
    assert found.kinds["quantised, right"] >= 20 and found.kinds["float, right"] >= 10


@pytest.mark.parametrize("seed", [686, 1538, 1805])
def test_models_that_once_did_not(seed: int) -> None:
    """An operand left out; what the host reads of a pooling that rounds its size up; an Identity
    behind the last rounding of a function."""
    verdict = judge(seed)
    assert verdict.good, verdict


def floats() -> list[Case]:
    """Float models that onnxruntime runs: it fails for some windows that pad themselves."""

    def runs(node: onnx.NodeProto) -> bool:
        return "auto_pad" not in {attribute.name for attribute in node.attribute}

    cases = (draw(seed) for seed in range(1000, 1060))
    return [c for c in cases if not c.quantised and all(map(runs, c.model.graph.node))]


def test_the_meaning_of_float_models() -> None:
    """Float kernels, as written: they round differently on every processor, by next to nothing."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for case in floats():
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options)
        bounds = evaluate(case.model, case.images, {})
        for value, right in zip(session.get_outputs(), session.run(None, case.images), strict=True):
            wide = dataclasses.replace(bounds[value.name].widened(1e-5 * (1 + np.abs(right))))
            assert _beyond(value.name, right, wide) == []


@pytest.mark.parametrize("seed", [2000, 2001, 2002, 2003])
def test_bounds_are_narrow(seed: int) -> None:
    """Most values of a quantised model are one integer alone: the comparison says something."""
    case = next(c for c in map(draw, range(seed * 10, seed * 10 + 99)) if c.quantised)
    integers = [b for b in evaluate(case.model, case.images).values() if b.dtype.kind in "iu"]
    same = np.concatenate([(b.low == b.high).ravel() for b in integers])
    assert same.mean() > 0.9
