"""What all hosts do alike: order of accesses, regions, files, refusals, command lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from boards.runtime import xdma_link, xrt_link
from boards.runtime.image_batch import load_images
from boards.runtime.link import HostError
from boards.runtime.regions import input_region
from boards.runtime.runtime import Runtime, require_success, run_images
from boards.runtime.setup import FILL, Setup
from dse.assembly.manifest import HostTensor
from dse.files.arrays import ArraysError, write_arrays
from tests.boards.host_stand_ins import Card, Xrt


@pytest.mark.parametrize("link", ["xrt", "xdma"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"isa_version": 99}, "the program is for isa version 0x63, the overlay on the card has"),
        ({"configuration_hash": 0x1234}, "the program is for configuration 0x1234, the overlay"),
    ],
)
def test_hosts_refuse_another_overlay(program, images, tmp_path, link, changes, message) -> None:
    """Before anything is written."""
    other = replace(program, manifest=replace(program.manifest, **changes))
    accesses = Accesses(
        xrt_link.XrtLink(Xrt(program), "polymap.xclbin")
        if link == "xrt"
        else Card(tmp_path, program)
    )
    with pytest.raises(HostError, match=message):
        list(run_images(accesses, other, images))
    assert accesses.names == ["place", "read_registers"]


class Accesses:
    """Notes what a host asks of a link."""

    def __init__(self, link: object) -> None:
        self.link, self.names = link, []

    def __getattr__(self, name: str) -> object:
        self.names.append(name)
        return getattr(self.link, name)


class Record:
    """A link that notes everything, of an overlay that says nothing of itself."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []

    def make_idle(self) -> None:
        self.log.append(("idle",))

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        return {}

    def place(self, sizes: dict[str, int]) -> dict[str, int]:
        return {name: 0x1_0000_0000 + 0x1000 * k for k, name in enumerate(sizes)}

    def write(self, address: int, data: bytes) -> None:
        self.log.append(("memory", address, data))

    def write_register(self, offset: int, word: int) -> None:
        self.log.append(("register", offset, word))

    def run(self, output: int, size: int) -> str:
        self.log.append(("run", output, size))
        return "ended"


def test_what_a_host_does_in_order() -> None:
    """Every byte and every register, from the register map's table in docs/architecture.md."""
    link = Record()
    regions = {"program": b"p" * 32, "parameters": b"q" * 8, "weights0": b"w" * 16}
    setup = Setup(regions=regions, input_bytes=3, output_bytes=2, cycle_limit=7, watchdog=9)
    runtime = Runtime(link, replace(setup, fill=0x55))
    runtime.load()
    assert [runtime.execute(image) for image in (b"abc", b"def")] == ["ended", "ended"]
    base = 0x1_0000_0000
    pointers = {0x10: base, 0x1C: base + 0x1000, 0x44: base + 0x2000, 0x28: base + 0x3000}
    bounds = {0x10C: 32, 0x118: 8, 0x13C: 16, 0x124: 3, 0x130: 2}
    words = {**pointers, 0x34: base + 0x4000, **bounds, 0x100: 7}
    assert link.log == [
        ("idle",),
        ("memory", base, b"p" * 32),
        ("memory", base + 0x1000, b"q" * 8),
        ("memory", base + 0x2000, b"w" * 16),
        *(
            ("register", offset + 4 * word, value >> 32 * word & 0xFFFFFFFF)
            for offset, value in words.items()
            for word in (0, 1)
        ),
        ("register", 0x40, 9),
        *(
            access
            for image in (b"abc", b"def")
            for access in (
                ("memory", base + 0x3000, image),
                ("memory", base + 0x4000, b"UU"),
                ("run", base + 0x4000, 2),
            )
        ),
    ]


def test_regions_lie_in_whole_pages_of_their_channels() -> None:
    sizes = {"program": 128, "parameters": 4097, "weights0": 5, "output": 1, "weights3": 1}
    channels = {"program": 1, "parameters": 1, "weights0": 2, "output": 1, "weights3": 1}
    places = xdma_link.place(sizes, channels)
    base = {1: 4 << 30, 2: 8 << 30}
    assert places == {
        "program": base[1],
        "parameters": base[1] + 4096,
        "weights0": base[2],
        "output": base[1] + 12288,
        "weights3": base[1] + 16384,
    }
    with pytest.raises(HostError, match="'output' of 1 bytes finds no room in channel 1"):
        xdma_link.place({**sizes, "parameters": (4 << 30) - 4096}, channels)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"z": np.zeros((5, 4, 3), np.int8)}, "no input 'x'; there are z"),
        ({"x": np.zeros((5, 4, 3), np.uint8)}, r"must be int8 of shape \(5, 4, 3\), not uint8"),
        ({"x": np.zeros((3, 5, 4), np.int8)}, r"not int8 of \(3, 5, 4\)"),
    ],
)
def test_inputs_are_checked(program, tensors, message) -> None:
    with pytest.raises(HostError, match=message):
        input_region(program.manifest, tensors)


def test_status_without_error_passes() -> None:
    require_success({"status": 0, "error": 0, "error_tag": 0}, {"y": np.full(9, FILL, np.int8)})


@pytest.mark.parametrize("name", ["x", "file", "allow_pickle", "a/../b", "漢字"])
def test_batches_survive_files(images, tmp_path, name: str) -> None:
    places = [HostTensor(name, 0, (5, 4, 3), 0.5, 0)]
    with (tmp_path / "batch.npz").open("wb") as file:
        write_arrays(file, {name: np.stack([image["x"] for image in images])})
    again = load_images(str(tmp_path / "batch.npz"), places)
    for image, other in zip(images, again, strict=True):
        np.testing.assert_array_equal(image["x"], other[name])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": np.zeros((2, 5, 4, 3))}, r"must be int8 of shape \(images, 5, 4, 3\), not float64"),
        ({"x": np.zeros((5, 4, 3), np.int8)}, r"not int8 of \(5, 4, 3\)"),
        ({"x": np.zeros((0, 5, 4, 3), np.int8)}, r"at least 1, not \[0\]"),
        ({"x": np.int8(3)}, r"not int8 of \(\)"),
        ({"z": np.zeros(3, np.int8)}, "no input 'z'; it has 'x'"),
    ],
)
def test_bad_batches(program, tmp_path, arrays, message) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ArraysError, match=message) as caught:
        load_images(tmp_path / "x.npz", program.manifest.inputs)
    assert str(caught.value).startswith(f"{tmp_path / 'x.npz'}: ")
