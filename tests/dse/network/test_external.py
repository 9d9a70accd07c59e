"""Weights in files beside the model: read where they are, refused in one line where not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dse.network.graph import NetworkError
from dse.onnx import source
from dse.onnx.importer import check


@pytest.fixture
def model(builder, tmp_path: Path) -> Path:
    """A model of 1,440 values of weights and 40 of bias, the weights first."""
    b = builder
    path = tmp_path / "external.onnx"
    made = b.model(b.conv(b.input(4, 8, 8), "a", 40, 4, 3))
    onnx.save(made, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def _change(path: Path, **entries: str) -> None:
    """Change where the first tensor lies."""
    made = onnx.load(path, load_external_data=False)
    tensor = made.graph.initializer[0]
    known = {entry.key: entry.value for entry in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, value in known.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(made.SerializeToString())


def _refused(path: Path, match: str) -> None:
    with pytest.raises(NetworkError, match=match) as error:
        check(path)
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{path}: the weights 'a.")


def test_external_weights_are_read(model: Path, tmp_path: Path) -> None:
    assert check(model).supported
    read = source.read(model).constants
    for tensor in onnx.load(model).graph.initializer:
        np.testing.assert_array_equal(read[tensor.name], numpy_helper.to_array(tensor))
    (tmp_path / "deep").mkdir()
    (tmp_path / "weights.bin").rename(tmp_path / "deep" / "w")
    _change(model, location="deep/w")
    _refused(model, "'a.b'.*weights.bin: no such file")


def test_missing_files(model: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").unlink()
    _refused(model, "weights.bin: no such file; copy the model together")
    (tmp_path / "weights.bin").mkdir()
    _refused(model, "weights.bin: not a file")


def test_short_files(model: Path, tmp_path: Path) -> None:
    os.truncate(tmp_path / "weights.bin", 5000)
    _refused(model, "weights.bin ends at byte 5000, before byte 5760")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "../weights.bin"}, "'../weights.bin' is not in the model's folder"),
        ({"location": "/etc/passwd"}, "'/etc/passwd' is not in the model's folder"),
        ({"location": "C:\\weights.bin"}, "is not in the model's folder"),
        ({"location": ""}, "'' is not in the model's folder"),
        ({"location": "link"}, "'link' is not in the model's folder"),
        ({"location": "a" * 5000}, "File name too long"),
        ({"location": "a\0b"}, "embedded null byte"),
        ({"offset": "10000000000000"}, "ends at byte .*, before byte 10000000005760"),
        ({"offset": "-4"}, "its offset is '-4'"),
        ({"offset": "much"}, "its offset is 'much'"),
        ({"length": "1000000000000"}, "values take 5760 bytes, not 1000000000000"),
        ({"length": "8"}, "values take 5760 bytes, not 8"),
    ],
)
def test_places_that_cannot_be(model: Path, entries: dict[str, str], message: str) -> None:
    (model.parent / "link").symlink_to("/etc/passwd")
    _change(model, **entries)
    _refused(model, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: tensor.dims.__setitem__(0, -3), "its shape is"),
        (lambda tensor: tensor.dims.__setitem__(0, 2**40), "bytes, not 5760"),
        (lambda tensor: setattr(tensor, "data_type", 99), "its type 99 has no values"),
    ],
)
def test_values_that_cannot_be(model: Path, change: Callable, message: str) -> None:
    made = onnx.load(model, load_external_data=False)
    change(made.graph.initializer[0])
    model.write_bytes(made.SerializeToString())
    _refused(model, message)


def test_external_attributes(builder, tmp_path: Path) -> None:
    """A tensor that is a Constant's attribute may be external, too."""
    b = builder
    values = b.rng.normal(size=(4, 3, 1, 1)).astype(np.float32)
    (tmp_path / "w").write_bytes(b"12" + values.tobytes())
    tensor = TensorProto(name="v", data_type=TensorProto.FLOAT, dims=values.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "w", "offset": "2"}.items():
        tensor.external_data.add(key=key, value=value)
    b.nodes.append(helper.make_node("Constant", [], ["w"], value=tensor))
    path = tmp_path / "model.onnx"
    onnx.save(b.model(b.node("Conv", [b.input(3, 4, 4), "w"], "y")), path)
    assert check(path).supported
    attribute = source.read(path).model.graph.node[0].attribute[0]
    np.testing.assert_array_equal(numpy_helper.to_array(attribute.t), values)
