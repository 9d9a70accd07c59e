"""Networks and devices from JSON, and one clear line for everything that is wrong with them."""

import json
import re
from pathlib import Path

import pytest

from dse.pipeline import ChainError, DeviceError, load_device, load_devices, load_network
from dse.pipeline.model.loads import NETWORKS, parse_network

CONV = {
    "name": "C1",
    "n_in": 3,
    "n_out": 8,
    "size_in": 8,
    "size_out": 8,
    "size_ker": 3,
    "stride": 1,
    "pad": 1,
}
POOL = {**CONV, "name": "POOL1", "n_in": 8, "size_out": 4, "size_ker": 2, "stride": 2, "pad": 0}


@pytest.mark.parametrize(
    ("name", "stages", "macs"),
    [
        ("alexnet", 5, 665_784_864),
        ("vgg16", 13, 15_346_630_656),
        ("resnet18", 17, 1_794_293_760),
    ],
)
def test_shipped_networks(name: str, stages: int, macs: int) -> None:
    network = load_network(name)
    assert (len(network.stages), network.macs) == (stages, macs)
    assert name in NETWORKS


def test_alexnet_groups_and_pools() -> None:
    stages = load_network("alexnet").stages
    assert [stage.groups for stage in stages] == [1, 2, 1, 2, 2]
    assert [stage.pool is not None for stage in stages] == [True, True, False, False, True]


def test_devices_have_their_data_sheet_counts() -> None:
    got = {
        name: (d.dsp, d.multipliers_per_dsp, d.ram_units, d.ram.unit)
        for name, d in load_devices().items()
    }
    assert got == {
        "arria10gt1150": (1518, 2, 2713, "M20K"),
        "ku060": (2760, 1, 1080, "BRAM36"),
        "vx485t": (2800, 1, 1030, "BRAM36"),
        "vx690t": (3600, 1, 1470, "BRAM36"),
        "kcu1500": (5520, 1, 2160, "BRAM36"),
    }
    assert load_device("kcu1500").ram_blocks == 4320


def test_unknown_device() -> None:
    with pytest.raises(DeviceError, match="device 'u200': unknown; choose one of arria10gt1150"):
        load_device("u200")


def test_network_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({"layers": [CONV, POOL]}))
    network = load_network(str(path))
    assert network.name == "tiny"
    assert network.stages[0].pool is not None
    assert network.stages[0].pool.size_out == 4


def test_stride_and_pad_have_defaults(tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    short = {name: value for name, value in CONV.items() if name not in ("stride", "pad")}
    path.write_text(json.dumps({"layers": [{**short, "size_out": 6}]}))
    (stage,) = load_network(str(path)).stages
    assert (stage.stride, stage.pad) == (1, 0)


def test_missing_network() -> None:
    with pytest.raises(ChainError, match="neither one of alexnet, vgg16, resnet18 nor a file"):
        load_network("lenet")


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ChainError, match="not a JSON document: it is not encoded in UTF-8"):
        load_network(str(path))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "no convolution layer found"),
        (5, "layers must be a list, not 5"),
        ([3], r"layers\[0\] must be an object, not 3"),
        ([{**CONV, "name": 1}], r"layers\[0\].name must be a text, not 1"),
        (
            [{"name": "C1", "n_in": 3}],
            r"\[0\].n_out is missing; layers\[0\].size_in is missing",
        ),
        (
            [{**CONV, "strides": 1}],
            r"\[0\].strides is no key that is known here: correct its name, or",
        ),
        ([{**CONV, "n_in": 0}], "n_in 0 does not divide"),
        ([{**CONV, "n_in": "3"}], r"layers\[0\].n_in must be an integer, not '3'"),
        ([{**CONV, "n_out": 2.5}], r"layers\[0\].n_out must be an integer, not 2.5"),
        ([{**CONV, "stride": True}], r"layers\[0\].stride must be an integer, not True"),
        ([{**CONV, "stride": 0}], "stride must be an integer from 1 to 65536, not 0"),
        ([{**CONV, "pad": 3}], "pad must be an integer from 0 to 2, not 3"),
        ([{**CONV, "size_out": 7}], "size_out is 7, but .* give 8"),
        ([{**CONV, "size_in": 10**9}], "size_in must be an integer from 1 to 65536"),
        ([POOL], "POOL1: a pool must follow a convolution"),
        ([CONV, POOL, POOL], "POOL1: a pool must follow a convolution"),
        ([CONV, {**POOL, "n_in": 9}], "POOL1: reads 9 channels of 8 x 8, but C1 writes 8 of 8 x 8"),
        ([CONV, {**POOL, "stride": 0}], "POOL1: stride must be an integer"),
        ([CONV, {**CONV, "name": "C2"}], "C2: n_in 3 does not divide the 8 channels it receives"),
        (
            [CONV, {**CONV, "name": "C2", "n_in": 4, "n_out": 7}],
            "C2: 7 output channels do not divide into 2 groups",
        ),
        (
            [CONV, POOL, {**CONV, "name": "C2", "n_in": 8}],
            "C2: reads 8 channels of 8 x 8, but C1 writes 8 of 4 x 4",
        ),
    ],
)
def test_bad_networks(layers: object, message: str) -> None:
    with pytest.raises(ChainError, match=message) as caught:
        parse_network("bad", json.dumps({"layers": layers}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{", "[" * 100_000, '{"layers": NaN}'])
def test_not_a_network(text: str) -> None:
    with pytest.raises(ChainError, match=r"^network bad: ") as caught:
        parse_network("bad", text)
    assert re.search("JSON|must be an object|layers is missing", str(caught.value))
