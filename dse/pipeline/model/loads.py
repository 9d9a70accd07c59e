"""Read networks and devices from JSON: those shipped in ``dse/pipeline/data``, or a user's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from dse.files.documents import DocumentError, build, parse_json, read_json
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain, ConvStage, StagePool
from dse.pipeline.model.ram import Ram
from dse.pipeline.model.search_error import ChainError, DeviceError

NETWORKS = ("alexnet", "vgg16", "resnet18")


def load_network(source: str, *, dense: bool = False) -> Chain:
    """A network by its name (`NETWORKS`) or from a JSON file of the same form.

    Layers with ``size_ker`` are convolutions, or pools when their name starts with ``POOL``;
    layers without it are fully connected: with ``dense`` they are stages, too, else they stay
    outside the pipeline. ``stride`` is 1 and ``pad`` 0 where they are not given. The number of
    groups of a convolution is the channels it receives over its ``n_in``.

    Raises
    ------
    ChainError
        When the name is unknown, or the file is missing or not a chain of layers.
    """
    if source in NETWORKS:
        text = files("dse.pipeline").joinpath("data", f"{source}.json").read_text()
        return parse_network(source, text, dense=dense)
    path = Path(source)
    if not path.is_file():
        raise ChainError(
            f"network {source!r}: neither one of {', '.join(NETWORKS)} nor a file; "
            "give a name or the path of a JSON file"
        )
    try:
        return _network(path.stem, read_json(path), dense)
    except OSError as error:
        raise ChainError(f"network {source}: cannot be read: {error.strerror}") from None
    except DocumentError as error:
        raise ChainError(f"network {source}: {error}") from None


def parse_network(name: str, text: str, *, dense: bool = False) -> Chain:
    """A network from the text of a JSON file; see `load_network` for its form."""
    try:
        return _network(name, parse_json(text.encode()), dense)
    except DocumentError as error:
        raise ChainError(f"network {name}: {error}") from error


def _network(name: str, data: Any, dense: bool) -> Chain:
    form = build(_NetworkForm, data)
    stages: list[ConvStage] = []
    for layer in form.layers:
        if layer.size_ker is None:
            if dense:
                stages.append(_dense(name, stages, layer))
        elif layer.name.upper().startswith("POOL"):
            stages = _attach_pool(name, stages, layer, layer.size_ker)
        else:
            stages.append(_conv(name, stages, layer, layer.size_ker))
    return Chain(name=name, stages=tuple(stages))


def load_rams() -> dict[str, Ram]:
    """The kinds of memory block by name."""
    return {
        name: Ram(
            name=name,
            shapes=tuple((depth, width // ram.lane_bits) for depth, width in ram.shapes),
            blocks_per_unit=ram.blocks_per_unit,
            unit=ram.unit,
        )
        for name, ram in _devices().rams.items()
    }


def load_devices() -> dict[str, Device]:
    """The shipped devices by their command-line name."""
    rams = load_rams()
    return {
        name: Device(
            name=name,
            title=entry.title,
            dsp=entry.dsp,
            multipliers_per_dsp=entry.multipliers_per_dsp,
            ram=rams[entry.ram],
            ram_units=entry.ram_units,
        )
        for name, entry in _devices().devices.items()
    }


def _devices() -> _DevicesForm:
    text = files("dse.pipeline").joinpath("data", "devices.json").read_bytes()
    return build(_DevicesForm, parse_json(text))


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


def _conv(name: str, before: list[ConvStage], layer: _LayerForm, kernel: int) -> ConvStage:
    received = before[-1].n_out if before else layer.n_in
    if layer.n_in < 1 or received % layer.n_in:
        raise ChainError(
            f"network {name}, layer {layer.name}: n_in {layer.n_in} does not divide the {received} "
            "channels it receives; give the input channels of one group"
        )
    return ConvStage(
        name=layer.name,
        n_in=layer.n_in,
        n_out=layer.n_out,
        size_in=layer.size_in,
        size_out=layer.size_out,
        kernel=kernel,
        stride=layer.stride,
        pad=layer.pad,
        groups=received // layer.n_in,
    )


def _dense(name: str, before: list[ConvStage], layer: _LayerForm) -> ConvStage:
    """A fully connected layer: a convolution whose kernel is the whole map."""
    last = before[-1] if before else None
    size = 1 if last is None else last.pool.size_out if last.pool else last.size_out
    channels = layer.n_in if last is None else last.n_out
    if layer.n_in != channels * size**2:
        raise ChainError(
            f"network {name}, layer {layer.name}: n_in is {layer.n_in}, but the layer receives "
            f"{channels} channels of {size} x {size}"
        )
    return ConvStage(
        name=layer.name, n_in=channels, n_out=layer.n_out, size_in=size, size_out=1, kernel=size
    )


def _attach_pool(
    name: str, stages: list[ConvStage], layer: _LayerForm, kernel: int
) -> list[ConvStage]:
    if not stages or stages[-1].pool is not None:
        raise ChainError(f"network {name}, layer {layer.name}: a pool must follow a convolution")
    last = stages[-1]
    if (layer.size_in, layer.n_in) != (last.size_out, last.n_out):
        raise ChainError(
            f"network {name}, layer {layer.name}: reads {layer.n_in} channels of "
            f"{layer.size_in} x {layer.size_in}, but {last.name} writes {last.n_out} of "
            f"{last.size_out} x {last.size_out}"
        )
    pool = StagePool(
        name=layer.name,
        kernel=kernel,
        stride=layer.stride,
        size_out=layer.size_out,
        pad=layer.pad,
    )
    return [*stages[:-1], replace(last, pool=pool)]


@dataclass(frozen=True, kw_only=True)
class _LayerForm:
    """A layer as a file has it; ranges are for ``ConvStage`` and ``StagePool`` to check."""

    name: str
    n_in: int
    n_out: int
    size_in: int
    size_out: int
    size_ker: int | None = None
    stride: int = 1
    pad: int = 0


@dataclass(frozen=True, kw_only=True)
class _NetworkForm:
    """A network's file; ``source`` says where its figures are from."""

    layers: tuple[_LayerForm, ...]
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class _RamForm:
    unit: str
    blocks_per_unit: int
    lane_bits: int
    shapes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class _DeviceForm:
    title: str
    dsp: int
    multipliers_per_dsp: int
    ram: str
    ram_units: int


@dataclass(frozen=True, kw_only=True)
class _DevicesForm:
    """The file of the devices that are shipped."""

    source: str
    rams: dict[str, _RamForm]
    devices: dict[str, _DeviceForm]
