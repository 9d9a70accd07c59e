"""An ONNX file as the importer reads it: checked, one image at a time, shapes inferred."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs
from onnx import helper, numpy_helper

from dse.files.bounded import read_bounded
from dse.network.graph import NetworkError
from dse.network.ports import ModelPort
from dse.onnx import external
from dse.onnx.shaping import Shapes, free, shape

IR_VERSION = 10
"""Written on every model handed to ONNX Runtime, which lags behind onnx's newest."""

OLDEST_OPSET = 7

LONGEST = (1 << 31) - 1
"""Bytes of a model's own file: protobuf reads no more."""

ANY = 1009
"""A number of images that stands for any: a prime that no shape of a CNN has by chance."""

_ONNX_DOMAINS = ("", "ai.onnx")
_MAX_PROTOBUF = 2**31 - 1

MAX_ELEMENTS = 2**28
"""Of a tensor: more are refused before anything is computed.  It is 1 GiB of floats on the host."""

_LONGEST_NAME = 2**16 - 10  # of a member of a zip file, with its suffix

_LARGE = 2**14

MALFORMED = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What reading inconsistent attributes and arrays of a damaged model may raise."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a tensor: its shape, its type, and its values if it is constant."""

    shape: tuple[int, ...] | None
    dtype: np.dtype | None
    array: npt.NDArray | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A checked ONNX model whose batch is one image.

    ``model`` lacks its large initializers: they are inputs of it, and as arrays in ``constants``.
    ``declared``: what it says itself of the tensors in between, for one image.  ``batch``: how many
    images it was fixed to, or ``ANY``, and ``batched``: its shapes if they are several.
    """

    name: str
    model: onnx.ModelProto
    sha256: str
    inputs: tuple[ModelPort, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, npt.NDArray]
    declared: Mapping[str, Known]
    batch: int
    batched: Mapping[str, Known]

    @property
    def opset(self) -> int:
        return _opset(self.model)


def read(path: str | Path, shapes: Shapes | None = None) -> Source:
    """Read an ONNX file; NetworkError in one line if it is not one.

    ``shapes``: of inputs with free axes.
    """
    path = Path(path)
    model, sha256 = read_model(path)
    shape(model, shapes or {}, str(path))
    return from_model(model, path.stem, str(path), sha256)


def read_model(path: Path) -> tuple[onnx.ModelProto, str]:
    """The model of an ONNX file with all its weights, and the file's SHA-256."""
    try:
        data = read_bounded(path, LONGEST)
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from None
    if data is None:
        raise NetworkError(
            f"{path}: not an ONNX model: it has more than {LONGEST:,} bytes;"
            " weights that take so much belong into files beside it"
        )
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, *MALFORMED):
        raise NetworkError(f"{path}: not an ONNX model, or a truncated one") from None
    external.load(model, path.parent, str(path))
    return model, hashlib.sha256(data).hexdigest()


def from_model(model: onnx.ModelProto, name: str, where: str, sha256: str = "") -> Source:
    """Check a model in memory and fix its batch to one image."""
    if not model.graph.node or not model.graph.output:
        raise NetworkError(f"{where}: not an ONNX model, or an empty one: it has no nodes")
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        return _single(model, name, where, sha256)
    except NetworkError:
        raise
    except MALFORMED as error:
        raise NetworkError(f"{where}: not a valid ONNX model: {first_line(error)}") from error


def _single(model: onnx.ModelProto, name: str, where: str, sha256: str) -> Source:
    single = onnx.ModelProto()
    single.CopyFrom(model)
    free(single)
    del single.graph.value_info[:]
    _lighten(single.graph)
    _check(single, where)
    for value in single.graph.output:
        value.type.tensor_type.ClearField("shape")
    exported = onnx.ModelProto()
    exported.CopyFrom(single)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    inputs = [value for value in single.graph.input if value.name not in constants]
    batch = _batch(inputs)
    batched = _known(exported) if batch not in (1, ANY) else {}
    ports = tuple(_single_image(value, where) for value in inputs)
    _check_names("input", [port.name for port in ports], where)
    _check_names("output", [value.name for value in model.graph.output], where)
    return Source(
        name=name,
        model=single,
        sha256=sha256,
        inputs=ports,
        outputs=tuple(value.name for value in model.graph.output),
        constants=constants,
        declared={**_declared(model, batch), **_divided(batched, batch)},
        batch=batch,
        batched=batched,
    )


def _lighten(graph: onnx.GraphProto) -> None:
    """Make inputs of the large initializers: checks and shape inference copy the whole model."""
    large = [tensor for tensor in graph.initializer if tensor.ByteSize() > _LARGE]
    names = {tensor.name for tensor in large}
    kept = [tensor for tensor in graph.initializer if tensor.name not in names]
    known = {value.name for value in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in large
        if tensor.name not in known
    )
    del graph.initializer[:]
    graph.initializer.extend(kept)


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def operator(node: onnx.NodeProto) -> str:
    """The node's operator, with its domain unless it is ONNX's or ONNX Runtime's own."""
    if node.domain in (*_ONNX_DOMAINS, "com.microsoft"):
        return node.op_type
    return f"{node.domain}.{node.op_type}"


def node_name(node: onnx.NodeProto) -> str:
    """The node's name, or that of its first output if it has none."""
    return node.name or node.output[0]


def node_inputs(node: onnx.NodeProto) -> Iterator[str]:
    """All names a node reads, those of its subgraphs included; omitted inputs are skipped."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            inner = {value.name for value in (*graph.input, *graph.initializer)}
            for child in graph.node:
                yield from (name for name in node_inputs(child) if name not in inner)
                inner.update(child.output)


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value, strings decoded."""
    for found in node.attribute:
        if found.name == name:
            value = helper.get_attribute_value(found)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _opset(model: onnx.ModelProto) -> int:
    return next((o.version for o in model.opset_import if o.domain in _ONNX_DOMAINS), 0)


def _check(model: onnx.ModelProto, where: str) -> None:
    if _opset(model) < OLDEST_OPSET:
        raise NetworkError(
            f"{where}: opset {_opset(model)} is too old; convert it to {OLDEST_OPSET} or later"
        )
    if model.ByteSize() > _MAX_PROTOBUF:
        return
    for value in model.graph.output:
        value.type.tensor_type.shape.SetInParent()  # the checker wants one, exporters omit it
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NetworkError(f"{where}: not a valid ONNX model: {first_line(error)}") from None


def _single_image(value: onnx.ValueInfoProto, where: str) -> ModelPort:
    """Set the batch axis of an input to one image; every other axis must be known."""
    dims = value.type.tensor_type.shape.dim
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        raise NetworkError(
            f"{where}: input {value.name!r} has no shape; set it by --shape"
            f" {value.name}:1,C,H,W, or export it with one"
        )
    if not dims:
        raise NetworkError(
            f"{where}: input {value.name!r} is a single number without a batch axis;"
            " make it a constant, or give it one"
        )
    dims[0].Clear()
    dims[0].dim_value = 1
    for axis, dim in enumerate(dims):
        if dim.dim_value < 1:
            raise NetworkError(
                f"{where}: axis {axis} of input {value.name!r} is free"
                f" ({dim.dim_param or 'unnamed'}); set all axes by --shape"
                f" {value.name}:{_wanted(dims)}, or export the model with a fixed image size"
            )
    shape = tuple(dim.dim_value for dim in dims)
    if math.prod(shape) > MAX_ELEMENTS:
        raise NetworkError(
            f"{where}: input {value.name!r} of shape {shape} has more than {MAX_ELEMENTS:,}"
            " elements; export the model for smaller images"
        )
    return ModelPort(value.name, _dtype(value), shape)


def _wanted(dims: Sequence[onnx.TensorShapeProto.Dimension]) -> str:
    """The shape that an input needs: sizes, and names where they are free."""
    return ",".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)


def _check_names(kind: str, names: Sequence[str], where: str) -> None:
    """The names of inputs and outputs become those of an ``.npz`` file's arrays."""
    for name in names:
        if "\0" in name or len(name.encode()) > _LONGEST_NAME:
            shown = repr(name if len(name) < 40 else f"{name[:40]}...")
            raise NetworkError(
                f"{where}: {kind} {shown} has a name that no file can hold: shorten it"
            )
        if f"{name}.npy" in names:
            raise NetworkError(
                f"{where}: {kind}s {name!r} and {name + '.npy'!r} would be one in an .npz file:"
                " rename one of them"
            )


def _batch(inputs: Sequence[onnx.ValueInfoProto]) -> int:
    """The number of images that a model is fixed to; ``ANY`` if it is free."""
    shapes = [value.type.tensor_type.shape.dim for value in inputs]
    fixed = [dims[0].dim_value for dims in shapes if dims]
    return ANY if 0 in fixed else max([1, *fixed])


def _known(model: onnx.ModelProto) -> dict[str, Known]:
    """All that onnx finds by itself; nothing if it finds a fault."""
    try:
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, *MALFORMED):
        return {}
    values = (*graph.input, *graph.value_info, *graph.output)
    return {value.name: known_type(value.type) for value in values}


def _declared(model: onnx.ModelProto, batch: int) -> dict[str, Known]:
    """What a model says of its tensors, the first axis of which may be the batch."""
    declared = {}
    for value in model.graph.value_info:
        single = onnx.TypeProto()
        single.CopyFrom(value.type)
        dims = single.tensor_type.shape.dim
        if dims and (dims[0].dim_param or dims[0].dim_value == batch):
            dims[0].dim_value = 1
        declared[value.name] = known_type(single)
    return declared


def _divided(batched: Mapping[str, Known], batch: int) -> dict[str, Known]:
    """The share of one image in the tensors of a batch."""
    return {
        name: Known((known.shape[0] // batch, *known.shape[1:]), known.dtype)
        for name, known in batched.items()
        if known.shape and known.shape[0] % batch == 0
    }


def known_type(value: onnx.TypeProto) -> Known:
    """What is known of a tensor of that type."""
    tensor = value.tensor_type
    if not tensor.elem_type:
        return Known(None, None)
    shape, dims = None, tensor.shape.dim
    if tensor.HasField("shape") and all(d.HasField("dim_value") and d.dim_value >= 0 for d in dims):
        shape = tuple(dim.dim_value for dim in dims)
    return Known(shape, np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)))


def _dtype(value: onnx.ValueInfoProto) -> np.dtype:
    return np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
