"""Who knows the transforms' matrices: their module, hw/winograd, compiler and functional model."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
MATRICES = {"input_matrix", "weight_matrix", "output_matrix", "total_scale", "odd_scale", "derive"}
HOME = "hw/isa/transforms.py"
WEIGHTS, MODEL = "dse/compile/winograd_weights.py", "sim/functional_winograd.py"


def names(source: str) -> Iterator[str]:
    """Everything that a module names."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name):
                yield name
            case ast.Constant(value=str(name)):
                yield name


def test_no_other_module_knows_the_matrices() -> None:
    files = [
        file.relative_to(ROOT)
        for package in ("hw", "dse", "sim", "boards", "polymap")
        for file in (ROOT / package).rglob("*.py")
    ]
    outside = [file for file in files if file.parts[:2] != ("hw", "winograd")]
    knowing = {
        str(file) for file in outside if MATRICES.intersection(names((ROOT / file).read_text()))
    }
    assert knowing == {HOME, WEIGHTS, MODEL}
