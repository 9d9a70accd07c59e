"""Weights that a model keeps in files beside it: checked before they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePath, PureWindowsPath

import onnx
from onnx import TensorProto, helper

from dse.network.tensor import NetworkError

_HALF_BYTES = (TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1)


def load(model: onnx.ModelProto, folder: Path, where: str) -> None:
    """Read all external tensors of a model into it."""
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            try:
                tensor.raw_data = _read(tensor, folder)
            except ValueError as error:
                raise NetworkError(
                    f"{where}: the weights {tensor.name!r} cannot be read: {error};"
                    " copy the model together with all files it was exported with"
                ) from None
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """All tensors of a graph and of its nodes' attributes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _read(tensor: TensorProto, folder: Path) -> bytes:
    """A tensor's bytes; ValueError where its file does not hold them."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _inside(folder, entries.get("location", ""))
    offset, needed = _integer(entries, "offset", 0), _bytes(tensor)
    length = _integer(entries, "length", needed)
    if length != needed:
        raise ValueError(f"its {list(tensor.dims)} values take {needed} bytes, not {length}")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if offset + length > size:
                raise ValueError(f"{path} ends at byte {size}, before byte {offset + length}")
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None


def _inside(folder: Path, location: str) -> Path:
    """The file at a location, which must lie in the model's folder."""
    absolute = PurePath(location).is_absolute() or PureWindowsPath(location).is_absolute()
    path = folder / location
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        found, is_file = path.exists(), path.is_file()
    except OSError as error:
        raise ValueError(f"{location[:40]!r}: {error.strerror}") from None
    if not location or absolute or not inside:
        raise ValueError(f"its file {location!r} is not in the model's folder")
    if not is_file:
        raise ValueError(f"{path}: {'not a file' if found else 'no such file'}")
    return path


def _integer(entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"its {key} is {text!r}")
    return int(text)


def _bytes(tensor: TensorProto) -> int:
    count = math.prod(tensor.dims)
    if min(tensor.dims, default=1) < 0:
        raise ValueError(f"its shape is {list(tensor.dims)}")
    if tensor.data_type in _HALF_BYTES:
        return -(-count // 2)
    try:
        return count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        raise ValueError(f"its type {tensor.data_type} has no values") from None
