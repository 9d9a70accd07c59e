"""Outlines of the weightless models that the onnx package ships."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx

from dse.network.graph import Network, NetworkError
from dse.network.numbers import without_numbers
from dse.onnx import importer

_LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
_WEIGHTED = ("Conv", "Gemm")
_IGNORED = "LRN"


def light(name: str) -> Network:
    """The outline of a weightless model that the onnx package ships, e.g. ``resnet50``.

    Layers are named after their weights, since the nodes have no telling names.  Normalisations
    (LRN), which what is compared with leaves out, are left out here, too, and noted.
    """
    path = _LIGHT / f"light_{name}.onnx"
    if not path.is_file():
        raise NetworkError(f"the installed onnx package has no model {path.name!r} in {_LIGHT}")
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type in _WEIGHTED:
            node.name = node.input[1].removesuffix("_0").removesuffix("_w")
    ignored = list(_leave_out(model.graph))
    found = without_numbers(importer.outline(model))
    if not ignored:
        return found
    return replace(found, ignored=(f"{_IGNORED}: {len(ignored)} nodes, first {ignored[0]}",))


def _leave_out(graph: onnx.GraphProto) -> Iterator[str]:
    """Nodes that pass their input on from now on, by name."""
    for node in graph.node:
        if node.op_type == _IGNORED:
            node.op_type = "Identity"
            del node.attribute[:]
            yield node.name or node.output[0]
