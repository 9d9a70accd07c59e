"""Configurations: arrays, defaults, files, and what a network asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.compile.compiler import compile_network
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from dse.onnx.host import Host
from dse.onnx.importer import Imported
from hw.isa import Opcode
from hw.isa.config import ConfigError, OverlayConfig
from polymap import InputError, configuration, configure, fit
from polymap.api.command_line import parse_array


@pytest.mark.parametrize(
    ("text", "array"), [("16x32", (16, 32)), ("3X5", (3, 5)), (" 2x2 ", (2, 2))]
)
def test_array(text: str, array: tuple[int, int]) -> None:
    assert parse_array(text) == array


@pytest.mark.parametrize("text", ["", "16", "16x", "x32", "16x32x2", "-1x4", "4.5x4", "axb"])
def test_bad_array(text: str) -> None:
    with pytest.raises(InputError, match="array must look like 16x32, rows x columns, not"):
        parse_array(text)


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("array", [(2, 2), (3, 7), (16, 32), (32, 196), (213, 32), (1024, 1024)])
def test_defaults_suit_every_array(array: tuple[int, int], lanes: int) -> None:
    config = configuration(*array, lanes)
    assert (config.rows, config.columns, config.lanes) == (*array, lanes)
    assert config.accumulator_depth >= 1024
    assert config.tensor_bytes >= 1 << 22
    # The weights of 3 x 3 taps over 512 channels fit, whatever R is.
    chunks = 3 * -(-3 * 512 // config.reduction)
    assert chunks * config.rows <= config.weight_words


@pytest.mark.parametrize(
    ("rows", "lanes", "message"),
    [(1, 1, r"rows must be .* not 1"), (4, 0, r"lanes must be .* not 0"), (4, 3, r"lanes .* 3")],
)
def test_bad_parameters(rows: int, lanes: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configuration(rows, 4, lanes)


def test_overrides() -> None:
    assert configuration(4, 4, 1, tensor_bytes=1024).tensor_bytes == 1024
    with pytest.raises(ConfigError, match="unknown overlay parameters: depth"):
        configuration(4, 4, 1, depth=3)


@pytest.mark.parametrize("wrap", [dict, lambda data: {"configuration": data, "top": "polymap"}])
def test_file(tmp_path: Path, wrap: Any) -> None:
    wanted = configuration(4, 6, 2, tensor_bytes=4096)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(wrap(wanted.to_json())))
    assert configure(path=path) == wanted
    assert configure("4x6", 2, path) == wanted


def test_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"tensor_bytes": 8192}')
    assert configure("4x6", 1, path) == configuration(4, 6, 1, tensor_bytes=8192)
    path.write_text('{"version": 1, "tensor_bytes": 8192}')
    assert configure("4x6", 1, path) == configuration(4, 6, 1, tensor_bytes=8192)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON document"),
        ("[" * 100_000, "nested too deeply"),
        ('{"rows": 4, "rows": 4}', "the key 'rows' occurs twice"),
        ('{"rows": NaN}', "NaN is not a number of JSON"),
        ('{"rows": 1e999}', "the number '1e999' is too large"),
        ('{"rows": 4.0}', "rows must be an integer, not 4.0"),
        ('{"rows": null}', "rows must be an integer, not None"),
        ('{"winograd": 2}', "winograd must be a text, not 2"),
        ('{"version": 2}', "of version 2, this tool reads version 1"),
        ('{"rows": 4, "checksum": "x"}', "changed by hand"),
        ("[1]", "must be an object of overlay parameters"),
        ('{"configuration": 3}', "must be an object of overlay parameters"),
        ('{"rows": "4"}', "rows must be an integer, not '4'"),
        ('{"rows": true}', "rows must be an integer, not True"),
        ('{"rows": 8}', "rows is 8, the command line says 4: drop one of them"),
        ('{"depth": 8}', "depth is no key that is known here"),
        ('{"tensor_bytes": 1000}', "tensor_bytes must be a power of two, not 1000"),
    ],
)
def test_bad_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        configure("4x6", 1, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read: No such file"):
        configure("4x6", 1, tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("array", "lanes", "message"),
    [(None, 1, "--array RxC is missing"), ("4x4", None, r"--lanes 1\|2 is missing")],
)
def test_missing(array: str | None, lanes: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        configure(array, lanes)


def test_usual_networks_keep_the_configuration(network: Network) -> None:
    config = configuration(4, 4, 2)
    assert fit(_imported(network), config) == config


def test_tensor_memory_grows_to_hold_all_activations() -> None:
    network = _wide()
    config = configuration(4, 4, 2, tensor_bytes=2048)
    fitted = fit(_imported(network), config)
    manifest = compile_network(network, fitted).manifest
    assert all(place.memory == "tensor" for place in manifest.tensors)
    assert fitted.tensor_bytes // 2 < manifest.tensor_bytes_used <= fitted.tensor_bytes


def test_weight_buffer_grows_to_hold_what_would_be_streamed_again() -> None:
    network = _wide()
    config = configuration(2, 2, 1, weight_words=4, accumulator_depth=4)
    fitted = fit(_imported(network), config)
    assert _streamed_again(network, config)
    assert not _streamed_again(network, fitted)


def _streamed_again(network: Network, config: OverlayConfig) -> bool:
    program = compile_network(network, config)
    weights = [one for one in program.instructions if one.opcode is Opcode.WEIGHTS]
    return any(one.field("repeats") > 1 for one in weights)


def _wide() -> Network:
    quantisation = Quantisation(0.05, 0)
    shape = 8, 8, 64
    conv = Conv(
        name="conv",
        input="x",
        output="y",
        window=Window(),
        numbers=Numbers(
            np.ones((64, 1, 1, 64), np.int8),
            np.full(64, 0.01),
            np.zeros(64, np.int32),
        ),
    )
    tensors = {name: Tensor(name, *shape, quantisation) for name in ("x", "y")}
    return Network("wide", tensors, (conv,), ("x",), ("y",))


def _imported(network: Network) -> Imported:
    return Imported(network, Host((), (), (), (), (), {}))
