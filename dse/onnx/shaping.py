"""Free axes of a model's inputs, set to what the user says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from dse.files.writing import write
from dse.network.graph import NetworkError

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes by the names of inputs, batch axis first."""


def shape(model: onnx.ModelProto, shapes: Shapes, where: str) -> None:
    """Set the axes of inputs; NetworkError if the model has no such input, or says otherwise.

    An axis that the model gives a name has the same extent wherever that name stands.
    """
    free(model)
    inputs = {value.name: value for value in variables(model)}
    named: dict[str, int] = {}
    for name, extents in shapes.items():
        if name not in inputs:
            raise NetworkError(
                f"{where}: --shape: the model has no input {name!r}; it has {', '.join(inputs)}"
            )
        _set(inputs[name], extents, named, where)
    for dim in _axes(model):
        if dim.dim_param in named:
            dim.dim_value = named[dim.dim_param]


def free(model: onnx.ModelProto) -> None:
    """Say of free axes that nothing is known of them: exporters write -1 there, or the name "?"."""
    for dim in _axes(model):
        if dim.dim_value < 0 or dim.dim_param == "?":
            dim.Clear()


def _axes(model: onnx.ModelProto) -> Iterator[onnx.TensorShapeProto.Dimension]:
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        yield from value.type.tensor_type.shape.dim


def fix(model: onnx.ModelProto, shapes: Shapes, where: str, path: str | Path) -> Shapes:
    """Write the model with these shapes, and one image where its batch is free; its shapes."""
    shape(model, shapes, where)
    single = {value.name: _one_image(value) for value in variables(model)}
    shape(model, single, where)
    write(path, model.SerializeToString())
    return single


def variables(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no initializers."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _one_image(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    first, *rest = (dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return (first or 1, *rest)


def _set(
    value: onnx.ValueInfoProto, extents: Sequence[int], named: dict[str, int], where: str
) -> None:
    tensor, said = value.type.tensor_type, ",".join(map(str, extents))
    if not tensor.HasField("shape"):
        for _ in extents:
            tensor.shape.dim.add()
    if len(tensor.shape.dim) != len(extents):
        raise NetworkError(
            f"{where}: --shape: input {value.name!r} has {len(tensor.shape.dim)} axes,"
            f" {said} has {len(extents)}"
        )
    for axis, (dim, extent) in enumerate(zip(tensor.shape.dim, extents, strict=True)):
        for known in _known(dim, named):
            if known != extent:
                raise NetworkError(
                    f"{where}: --shape: axis {axis} of input {value.name!r} is {known}"
                    f"{f' ({dim.dim_param})' if dim.dim_param else ''}, {said} says {extent}"
                )
        if dim.dim_param:
            named[dim.dim_param] = extent
        dim.dim_value = extent


def _known(dim: onnx.TensorShapeProto.Dimension, named: Mapping[str, int]) -> Iterator[int]:
    """What an axis is already."""
    if dim.dim_value:
        yield dim.dim_value
    if dim.dim_param in named:
        yield named[dim.dim_param]
