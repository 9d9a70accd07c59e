"""Read networks and devices from JSON: those shipped in ``dse/pipeline/data``, or a user's file."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from dse.files.documents import DocumentError, parse_json, read_json
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain, ConvStage, StagePool
from dse.pipeline.model.ram import Ram
from dse.pipeline.model.search_error import ChainError, DeviceError

NETWORKS = ("alexnet", "vgg16", "resnet18")
_LAYER_FIELDS = ("n_in", "n_out", "size_in", "size_out")


def load_network(source: str) -> Chain:
    """A network by its name (`NETWORKS`) or from a JSON file of the same form.

    Layers with ``size_ker`` are convolutions, or pools when their name starts with ``POOL``;
    layers without it are fully connected and stay outside the pipeline. The number of groups of a
    convolution is the channels it receives over its ``n_in``.

    Raises
    ------
    ChainError
        When the name is unknown, or the file is missing or not a chain of layers.
    """
    if source in NETWORKS:
        text = files("dse.pipeline").joinpath("data", f"{source}.json").read_text()
        return parse_network(source, text)
    path = Path(source)
    if not path.is_file():
        raise ChainError(
            f"network {source!r}: neither one of {', '.join(NETWORKS)} nor a file; "
            "give a name or the path of a JSON file"
        )
    try:
        return _network(path.stem, read_json(path))
    except (OSError, DocumentError) as error:
        raise ChainError(f"network {source}: cannot be read ({error})") from error


def parse_network(name: str, text: str) -> Chain:
    """A network from the text of a JSON file; see `load_network` for its form."""
    try:
        return _network(name, parse_json(text.encode()))
    except DocumentError as error:
        raise ChainError(f"network {name}: {error}") from error


def _network(name: str, data: Any) -> Chain:
    layers = data.get("layers") if isinstance(data, dict) else None
    if not isinstance(layers, list):
        raise ChainError(f"network {name}: not a JSON object with a list 'layers'")
    stages: list[ConvStage] = []
    for index, layer in enumerate(layers):
        label = _check_layer(name, index, layer)
        if "size_ker" not in layer:
            continue
        if label.upper().startswith("POOL"):
            stages = _attach_pool(name, label, stages, layer)
        else:
            stages.append(_conv(name, label, stages, layer))
    return Chain(name=name, stages=tuple(stages))


def load_devices() -> dict[str, Device]:
    """The shipped devices by their command-line name."""
    raw = json.loads(files("dse.pipeline").joinpath("data", "devices.json").read_text())
    rams = {
        name: Ram(
            name=name,
            shapes=tuple((depth, width // ram["lane_bits"]) for depth, width in ram["shapes"]),
            blocks_per_unit=ram["blocks_per_unit"],
            unit=ram["unit"],
        )
        for name, ram in raw["rams"].items()
    }
    return {
        key: Device(
            name=key,
            title=entry["title"],
            dsp=entry["dsp"],
            multipliers_per_dsp=entry["multipliers_per_dsp"],
            ram=rams[entry["ram"]],
            ram_units=entry["ram_units"],
        )
        for key, entry in raw["devices"].items()
    }


def load_device(name: str) -> Device:
    """A shipped device by its name.

    Raises
    ------
    DeviceError
        When no device has that name.
    """
    devices = load_devices()
    if name not in devices:
        raise DeviceError(f"device {name!r}: unknown; choose one of {', '.join(devices)}")
    return devices[name]


def _check_layer(name: str, index: int, layer: object) -> str:
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        raise ChainError(f"network {name}, layer {index}: must be an object with a 'name'")
    label: str = layer["name"]
    required = (*_LAYER_FIELDS, "stride", "pad") if "size_ker" in layer else _LAYER_FIELDS
    missing = [field for field in required if field not in layer]
    if missing:
        raise ChainError(f"network {name}, layer {label}: misses {', '.join(missing)}")
    return label


def _conv(name: str, label: str, before: list[ConvStage], layer: dict[str, Any]) -> ConvStage:
    n_in = layer["n_in"]
    received = before[-1].n_out if before else n_in
    if not isinstance(n_in, int) or n_in < 1 or received % n_in:
        raise ChainError(
            f"network {name}, layer {label}: n_in {n_in!r} does not divide the {received} channels "
            "it receives; give the input channels of one group"
        )
    return ConvStage(
        name=label,
        n_in=n_in,
        n_out=layer["n_out"],
        size_in=layer["size_in"],
        size_out=layer["size_out"],
        kernel=layer["size_ker"],
        stride=layer["stride"],
        pad=layer["pad"],
        groups=received // n_in,
    )


def _attach_pool(
    name: str, label: str, stages: list[ConvStage], layer: dict[str, Any]
) -> list[ConvStage]:
    if not stages or stages[-1].pool is not None:
        raise ChainError(f"network {name}, layer {label}: a pool must follow a convolution")
    last = stages[-1]
    if layer["size_in"] != last.size_out or layer["n_in"] != last.n_out:
        raise ChainError(
            f"network {name}, layer {label}: reads {layer['n_in']} channels of "
            f"{layer['size_in']} x {layer['size_in']}, but {last.name} writes {last.n_out} of "
            f"{last.size_out} x {last.size_out}"
        )
    pool = StagePool(
        name=label,
        kernel=layer["size_ker"],
        stride=layer["stride"],
        size_out=layer["size_out"],
    )
    return [*stages[:-1], replace(last, pool=pool)]
