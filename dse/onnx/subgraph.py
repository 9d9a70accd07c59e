"""Parts of a model as models that onnxruntime runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from onnx import helper, numpy_helper

from dse.onnx.host import Subgraph
from dse.onnx.source import IR_VERSION, Source, node_inputs
from dse.onnx.values import Const


def subgraph(
    source: Source,
    known: Mapping[str, np.dtype],
    constants: Mapping[str, Const],
    targets: Iterable[str],
) -> Subgraph:
    """The nodes that compute ``targets`` from the ``known`` tensors and the ``constants``."""
    wanted = {name for name in targets if name not in known}
    kept = []
    for node in reversed(source.model.graph.node):
        if any(name in wanted for name in node.output):
            kept.append(node)
            wanted.update(
                name for name in node_inputs(node) if name not in known and name not in constants
            )
    read = {name for node in kept for name in node_inputs(node)}
    made = {name for node in kept for name in node.output}
    part = helper.make_graph(
        list(reversed(kept)),
        source.model.graph.name or "part",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), None)
            for name, dtype in known.items()
            if name in read
        ],
        [helper.make_empty_tensor_value_info(name) for name in sorted(made.intersection(targets))],
        [
            numpy_helper.from_array(np.asarray(const.real(), const.dtype), name)
            for name, const in constants.items()
            if name in read and name not in known
        ],
    )
    model = source.model
    result = helper.make_model(part, opset_imports=model.opset_import, functions=model.functions)
    result.ir_version = IR_VERSION
    return Subgraph(result)
