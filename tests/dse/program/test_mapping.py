"""mapping.json: choices are followed, and nonsense is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dse.assembly.manifest import Manifest
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Network
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import Dataflow, Opcode
from hw.isa.config import OverlayConfig


@pytest.mark.parametrize("flow", list(Dataflow))
def test_forced_dataflow(network: Network, config: OverlayConfig, flow: Dataflow) -> None:
    layers = {name: {"dataflow": flow.name} for name in "abdf"}
    program = compile_network(network, config, LayerMapping.from_json({"layers": layers}))
    convs = [one for one in program.instructions if one.opcode is Opcode.CONV]
    assert {one.field("dataflow") for one in convs} == {flow}
    entries = [layer for layer in program.manifest.layers if layer.kind == "conv"]
    assert {(layer.algorithm, layer.dataflow) for layer in entries} == {("im2col", flow.name)}


def test_what_is_forced_and_what_the_manifest_says_are_written_alike(
    network: Network, config: OverlayConfig
) -> None:
    """Manifests of earlier tools, with the tile in the algorithm's name, can still be read."""
    overlay = replace(config, winograd="f4", scratch_words=1024, accumulator_depth=64)
    asked = {"a": {"algorithm": "winograd", "tile": 4, "dataflow": "WS"}}
    program = compile_network(network, overlay, LayerMapping.from_json({"layers": asked}))
    data = program.manifest.to_json()
    (entry,) = (layer for layer in data["layers"] if layer["name"] == "a")
    assert {name: entry[name] for name in asked["a"]} == asked["a"]
    assert {one["tile"] for one in data["layers"] if one["name"] != "a"} == {None}
    for layer in data["layers"]:
        tile = layer.pop("tile")
        layer["algorithm"] += "" if tile is None else str(tile)
    old = Manifest.from_json(data)
    assert next(one for one in old.layers if one.name == "a").algorithm == "winograd4"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "the file must be an object, not"),
        ({"layer": {}}, "layer is no key that is known here"),
        ({"layers": []}, "layers must be an object"),
        ({"layers": {"a": 3}}, "layers.a must be an object, not 3"),
        ({"layers": {"a": {"flow": "WS"}}}, "layers.a.flow is no key that is known here"),
        ({"layers": {"a": {"dataflow": "OS"}}}, "dataflow must be one of WS, IS, NS, not 'OS'"),
        (
            {"layers": {"a": {"algorithm": "fft"}}},
            "layers.a.algorithm must be one of 'im2col', 'kn2row', 'winograd' or 'depthwise', not",
        ),
        ({"layers": {"a": {"algorithm": "winograd", "tile": 3}}}, "a: tile must be 2 or 4"),
        (
            {"layers": {"a": {"algorithm": "depthwise", "dataflow": "WS"}}},
            "a: dataflow must be left out with depthwise",
        ),
        ({"layers": {"a": {"algorithm": "im2col", "tile": 2}}}, "only with winograd, not 2"),
        ({"layers": {"a": {"algorithm": []}}}, "must be one of 'im2col'"),
        ({"layers": {"a": {"fold": 0}}}, "layers.a.fold must be at least 1, not 0"),
        ({"layers": {"a": {"fold": True}}}, "layers.a.fold must be an integer, not True"),
        ({"merge": ["a"]}, r"merge\[0\] must be a list, not 'a'"),
        ({"merge": [["a", 1]]}, r"merge\[0\]\[1\] must be a text, not 1"),
        ({"space_to_depth": 2}, "space_to_depth must be true or false, not 2"),
        ({"concat_in_place": None}, "concat_in_place must be true or false, not None"),
        ({"version": 9}, "of version 9, this tool reads version 1"),
    ],
)
def test_refused(data: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        LayerMapping.from_json(data)


def test_unknown_layer(network: Network, config: OverlayConfig) -> None:
    mapping = LayerMapping.from_json({"layers": {"pool": {}}})
    with pytest.raises(ProgramError, match="no convolution named 'pool'; the network has 'a', 'b'"):
        compile_network(network, config, mapping)


def test_json_round_trip() -> None:
    entries = {"a": {"algorithm": "im2col", "dataflow": "IS"}}
    entries["b"] = {"algorithm": "winograd", "tile": 4}  # type: ignore[dict-item]
    entries["c"] = {"algorithm": "im2col", "fold": 2}  # type: ignore[dict-item]
    data: dict[str, Any] = {"layers": entries}
    assert LayerMapping.from_json(data).to_json() == data
    data |= {"merge": [["d", "e"]], "space_to_depth": True, "concat_in_place": False}
    assert LayerMapping.from_json(data).to_json() == data
    assert LayerMapping.from_json({"version": 1, **data}).to_json() == data


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot read the mapping"):
        LayerMapping.load(tmp_path / "mapping.json")
