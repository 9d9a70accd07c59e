"""The example hosts, on stand-ins for XRT and for the XDMA driver's files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from boards.host import pyxrt_run, xdma_run
from boards.host.batch import load_images, save_outputs
from boards.host.job import FILL, HostError, Job, check_status
from boards.kernel import KERNEL
from dse.network.graph import Conv, Network, Quantisation, Tensor, Window
from dse.program import compile_network
from hw.bus.registers import REGISTERS, Control, Status
from hw.config import OverlayConfig
from hw.isa import Error
from sim import golden

CONFIG = OverlayConfig(
    rows=3,
    columns=2,
    tensor_bytes=1024,
    accumulator_depth=16,
    weight_words=64,
    parameter_depth=16,
    axi_bytes=8,
)


def network() -> Network:
    rng = np.random.default_rng(1)
    shapes = {"x": (5, 4, 3), "y": (5, 4, 6)}
    tensors = {n: Tensor(n, *shape, Quantisation(0.05, 3)) for n, shape in shapes.items()}
    conv = Conv(
        name="conv",
        input="x",
        output="y",
        weight=rng.integers(-127, 128, (6, 1, 1, 3)).astype(np.int8),
        weight_scale=np.full(6, 0.004),
        bias=rng.integers(-900, 900, 6).astype(np.int32),
        window=Window((1, 1)),
    )
    return Network("one", tensors, (conv,), ("x",), ("y",), "0" * 64)


@pytest.fixture
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    config = replace(CONFIG, weight_ports=getattr(request, "param", 1))
    compile_network(network(), config).save(tmp_path / "program")
    return Job.load(tmp_path / "program")


any_ports = pytest.mark.parametrize("job", [1, 2, 4], indirect=True)


@pytest.fixture
def images() -> list[dict[str, npt.NDArray[np.int8]]]:
    rng = np.random.default_rng(2)
    return [{"x": rng.integers(-128, 128, (5, 4, 3)).astype(np.int8)} for _ in range(3)]


def answer(job: Job, region: bytes) -> bytes:
    """What the overlay writes to OUTPUT for the bytes in INPUT."""
    (source,), (target,) = job.program.manifest.inputs, job.program.manifest.outputs
    values = np.frombuffer(region, np.int8)[source.offset :][: np.prod(source.shape)]
    result = golden.run(network(), {"x": values.reshape(source.shape)})["y"]
    output = np.full(job.program.manifest.output_bytes, FILL, np.int8)
    output[target.offset :][: result.size] = result.reshape(-1)
    return output.tobytes()


class Xrt:
    """As much of pyxrt as the host uses; a kernel that computes unless ``fails``."""

    class bo:
        normal = "normal"

        def __init__(self, device: object, size: int, flags: str, group: int) -> None:
            assert size > 0
            self.data = np.zeros(size, np.int8)
            self.card = np.zeros(size, np.int8)
            self.group = group

        def write(self, data: bytes, seek: int) -> None:
            self.data[seek : seek + len(data)] = np.frombuffer(data, np.int8)

        def read(self, size: int, skip: int) -> npt.NDArray[np.int8]:
            return self.data[skip : skip + size].copy()

        def sync(self, direction: str, size: int, offset: int) -> None:
            part = slice(offset, offset + size)
            if direction == "to":
                self.card[part] = self.data[part]
            else:
                self.data[part] = self.card[part]

        def size(self) -> int:
            return len(self.data)

    class _Kernel:
        exclusive = "exclusive"

        def __init__(self, xrt: Xrt) -> None:
            self.xrt = xrt

        def group_id(self, argument: int) -> int:
            return 10 + argument

        def __call__(self, *arguments: object) -> object:
            job = self.xrt.job
            names = ["program", "parameters", "input", "output", "watchdog"]
            names += [f"weights{port}" for port in range(job.weight_ports)]
            passed = dict(zip(names, arguments, strict=True))
            assert passed.pop("watchdog") == pyxrt_run.WATCHDOG_CYCLES
            assert all(buffer.group == 10 + names.index(name) for name, buffer in passed.items())
            regions = {name: buffer.card for name, buffer in passed.items()}
            for name, data in job.constant_regions().items():
                assert regions[name].tobytes()[: len(data)] == data
            source, target = regions["input"], regions["output"]
            if not self.xrt.fails:
                target[:] = np.frombuffer(answer(job, source.tobytes()), np.int8)
            return SimpleNamespace(wait=lambda timeout: "completed")

    xclBOSyncDirection = SimpleNamespace(
        XCL_BO_SYNC_BO_TO_DEVICE="to", XCL_BO_SYNC_BO_FROM_DEVICE="from"
    )
    ert_cmd_state = SimpleNamespace(ERT_CMD_STATE_COMPLETED="completed")

    def __init__(self, job: Job, *, fails: bool = False) -> None:
        self.job, self.fails = job, fails

    def device(self, number: int) -> object:
        return SimpleNamespace(load_xclbin=lambda path: "uuid")

    @property
    def kernel(self) -> object:
        def make(device: object, uuid: str, name: str, mode: str) -> Xrt._Kernel:
            assert (uuid, name, mode) == ("uuid", KERNEL, "exclusive")
            return self._Kernel(self)

        make.exclusive = "exclusive"
        return make


class Card(xdma_run.Card):
    """A card whose memory is a file; a start computes unless ``error``."""

    def __init__(self, folder: Path, job: Job, error: int = 0) -> None:
        (folder / "xdma0_user").write_bytes(bytes(0x1000))
        (folder / "xdma0_h2c_0").write_bytes(bytes(1 << 16))
        os.link(folder / "xdma0_h2c_0", folder / "xdma0_c2h_0")
        self.job, self.error = job, error
        super().__init__(folder / "xdma0")

    def write_register(self, offset: int, value: int) -> None:
        super().write_register(offset, value)
        if offset != REGISTERS["control"].offset:
            return
        assert value == 1 << Control.START
        addresses = {
            name: self.read_register(o) | self.read_register(o + 4) << 32
            for name in self.job.sizes
            for o in [REGISTERS[name].offset]
        }
        channels = {name: address >> 32 for name, address in addresses.items()}
        stripes = {f"weights{k}": (2, 0, 3, 1)[k] for k in range(self.job.weight_ports)}
        shared = dict.fromkeys(("program", "parameters", "input", "output"), 1)
        assert channels == {**shared, **stripes}
        for name, data in self.job.constant_regions().items():
            assert self.read(addresses[name], len(data)) == data
        if not self.error:
            region = self.read(addresses["input"], self.job.sizes["input"])
            self.write(addresses["output"], answer(self.job, region))
        super().write_register(REGISTERS["status"].offset, bool(self.error) << Status.ERROR)
        super().write_register(REGISTERS["error"].offset, self.error)
        super().write_register(offset, 1 << Control.DONE)


def check(outputs: Sequence[object], images: Sequence[dict[str, npt.NDArray[np.int8]]]) -> None:
    for output, image in zip(outputs, images, strict=True):
        np.testing.assert_array_equal(output["y"], golden.run(network(), image)["y"])


@any_ports
def test_xrt_host_runs_every_image(job, images) -> None:
    check(pyxrt_run.Card(Xrt(job), "polymap.xclbin").run(job, images), images)


def test_xrt_host_has_no_empty_buffers(job, images, monkeypatch) -> None:
    monkeypatch.setattr(
        Job, "constant_regions", lambda job: dict.fromkeys(job.program.regions, b"")
    )
    check(pyxrt_run.Card(Xrt(job), "polymap.xclbin").run(job, images), images)


def test_xrt_host_sees_that_nothing_was_written(job, images) -> None:
    with pytest.raises(HostError, match="output 'y' was not written"):
        pyxrt_run.Card(Xrt(job, fails=True), "polymap.xclbin").run(job, images)


@any_ports
def test_xdma_host_runs_every_image(job, images, tmp_path) -> None:
    with Card(tmp_path, job) as card:
        check(card.run(job, images), images)


def test_xdma_host_reports_the_error_register(job, images, tmp_path) -> None:
    message = "error CONFIGURATION in an instruction of layer 0"
    with (
        Card(tmp_path, job, error=Error.CONFIGURATION) as card,
        pytest.raises(HostError, match=message),
    ):
        card.run(job, images)


def test_xdma_host_gives_up(job, images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(xdma_run, "TIMEOUT_S", 0.0)
    with Card(tmp_path, job) as card:
        monkeypatch.setattr(card, "read_register", lambda offset: 0)
        monkeypatch.setattr(card, "write_register", lambda offset, value: None)
        with pytest.raises(HostError, match="did not end within 0 s"):
            card.run(job, images)


def test_regions_lie_in_whole_pages_of_their_channels() -> None:
    sizes = {"program": 128, "parameters": 4097, "weights0": 5, "output": 1, "weights3": 1}
    channels = {"program": 1, "parameters": 1, "weights0": 2, "output": 1, "weights3": 1}
    places = xdma_run.place(sizes, channels)
    base = {1: 4 << 30, 2: 8 << 30}
    assert places == {
        "program": base[1],
        "parameters": base[1] + 4096,
        "weights0": base[2],
        "output": base[1] + 12288,
        "weights3": base[1] + 16384,
    }
    with pytest.raises(HostError, match="'output' of 1 bytes finds no room in channel 1"):
        xdma_run.place({**sizes, "parameters": (4 << 30) - 4096}, channels)


def test_words_are_written_whole() -> None:
    assert xdma_run.whole_words(b"x" * 65) == b"x" * 65 + bytes(63)
    assert xdma_run.whole_words(b"x" * 64) == b"x" * 64


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"z": np.zeros((5, 4, 3), np.int8)}, "no input 'x'; there are z"),
        ({"x": np.zeros((5, 4, 3), np.uint8)}, r"must be int8 of shape \(5, 4, 3\), not uint8"),
        ({"x": np.zeros((3, 5, 4), np.int8)}, r"not int8 of \(3, 5, 4\)"),
    ],
)
def test_inputs_are_checked(job, tensors, message) -> None:
    with pytest.raises(HostError, match=message):
        job.input_region(tensors)


def test_status_without_error_passes() -> None:
    check_status({"status": 0, "error": 0, "error_tag": 0})


@pytest.mark.parametrize("name", ["x", "file", "allow_pickle", "a/../b", "漢字"])
def test_batches_survive_files(images, tmp_path, name: str) -> None:
    save_outputs(str(tmp_path / "batch.npz"), [{name: image["x"]} for image in images])
    again = load_images(str(tmp_path / "batch.npz"))
    for image, other in zip(images, again, strict=True):
        np.testing.assert_array_equal(image["x"], other[name])
    np.savez(tmp_path / "uneven.npz", a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(HostError, match=r"one number of images, not \[2, 3\]"):
        load_images(str(tmp_path / "uneven.npz"))
