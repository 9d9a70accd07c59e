"""The example hosts, on stand-ins for XRT and for the XDMA driver's files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from boards.host.image_batch import load_images, save_outputs
from boards.kernel import KERNEL
from boards.runtime import handshake, xdma_link, xrt_link
from boards.runtime.link import HostError
from boards.runtime.regions import input_region
from boards.runtime.runtime import Runtime, require_success, run_images
from boards.runtime.setup import FILL, WATCHDOG_CYCLES, Setup
from dse.assembly.manifest import HostTensor
from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.files.arrays import ArraysError
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from hw.isa import Error
from hw.isa.config import OverlayConfig
from hw.isa.register_map import REGISTERS, Control, Status
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
        window=Window((1, 1)),
        numbers=Numbers(
            rng.integers(-127, 128, (6, 1, 1, 3)).astype(np.int8),
            np.full(6, 0.004),
            rng.integers(-900, 900, 6).astype(np.int32),
        ),
    )
    return Network("one", tensors, (conv,), ("x",), ("y",), "0" * 64)


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    config = replace(CONFIG, weight_ports=getattr(request, "param", 1))
    compile_network(network(), config).save(tmp_path / "program")
    return Program.load(tmp_path / "program")


any_ports = pytest.mark.parametrize("program", [1, 2, 4], indirect=True)


@pytest.fixture
def images() -> list[dict[str, npt.NDArray[np.int8]]]:
    rng = np.random.default_rng(2)
    return [{"x": rng.integers(-128, 128, (5, 4, 3)).astype(np.int8)} for _ in range(3)]


def answer(program: Program, region: bytes) -> bytes:
    """What the overlay writes to OUTPUT for the bytes in INPUT."""
    (source,), (target,) = program.manifest.inputs, program.manifest.outputs
    values = np.frombuffer(region, np.int8)[source.offset :][: np.prod(source.shape)]
    result = golden.run(network(), {"x": values.reshape(source.shape)})["y"]
    output = np.full(program.manifest.output_bytes, FILL, np.int8)
    output[target.offset :][: result.size] = result.reshape(-1)
    return output.tobytes()


class Xrt:
    """As much of pyxrt as the host uses, and a kernel that computes.

    ``fails``: nothing is written.  ``error``: what the registers tell after a run, whatever was
    written.  ``blind``: a binding that cannot read registers.
    """

    class bo:
        normal = "normal"

        made = 0

        def __init__(self, device: object, size: int, flags: str, group: int) -> None:
            assert size > 0
            Xrt.bo.made += 1
            self.place = 0x1_0000_0000 + 0x1000 * Xrt.bo.made
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

        def address(self) -> int:
            return self.place

    class _Kernel:
        exclusive = "exclusive"

        def __init__(self, xrt: Xrt) -> None:
            self.xrt = xrt

        def group_id(self, argument: int) -> int:
            return 10 + argument

        def __call__(self, *arguments: object) -> object:
            program = self.xrt.program
            sizes = Setup.of(program).sizes
            names = ["program", "parameters", "input", "output", "watchdog"]
            names += [f"weights{port}" for port in range(program.manifest.weight_ports)]
            bounds = {
                "cycle_limit": program.manifest.cycle_limit,
                **{f"{base}_bytes": sizes[base] for base in names[:4]},
                "weights_bytes": sizes["weights0"],
            }
            passed = dict(zip([*names, *bounds], arguments, strict=True))
            assert passed.pop("watchdog") == WATCHDOG_CYCLES
            assert {name: passed.pop(name) for name in bounds} == bounds
            assert all(buffer.group == 10 + names.index(name) for name, buffer in passed.items())
            regions = {name: buffer.card for name, buffer in passed.items()}
            for name, data in program.regions.items():
                assert regions[name].tobytes()[: len(data)] == data
            source, target = regions["input"], regions["output"]
            if not self.xrt.fails:
                target[:] = np.frombuffer(answer(program, source.tobytes()), np.int8)
            return SimpleNamespace(wait=lambda timeout: "completed")

    class _KernelWithRegisters(_Kernel):
        def read_register(self, offset: int) -> int:
            return registers(self.xrt.program, self.xrt.error)[offset]

    xclBOSyncDirection = SimpleNamespace(
        XCL_BO_SYNC_BO_TO_DEVICE="to", XCL_BO_SYNC_BO_FROM_DEVICE="from"
    )
    ert_cmd_state = SimpleNamespace(ERT_CMD_STATE_COMPLETED="completed")

    def __init__(
        self, program: Program, *, fails: bool = False, error: int = 0, blind: bool = False
    ) -> None:
        self.program, self.fails, self.error, self.blind = program, fails, error, blind

    def device(self, number: int) -> object:
        return SimpleNamespace(load_xclbin=lambda path: "uuid")

    @property
    def kernel(self) -> object:
        def make(device: object, uuid: str, name: str, mode: str) -> Xrt._Kernel:
            assert (uuid, name, mode) == ("uuid", KERNEL, "exclusive")
            return self._Kernel(self) if self.blind else self._KernelWithRegisters(self)

        make.exclusive = "exclusive"
        return make


def registers(program: Program, error: int) -> dict[int, int]:
    """What an overlay that the program is for tells after a run, by offset."""
    values = {
        "isa_version": program.manifest.isa_version,
        "configuration": program.manifest.configuration_hash,
        "status": bool(error) << Status.ERROR,
        "error": error,
        "error_tag": 0,
    }
    return {REGISTERS[name].offset: value for name, value in values.items()}


class Card(xdma_link.XdmaLink):
    """A card whose memory is a file; a start computes unless ``error``.

    ``left``: what a host that died left in the control register.  Reading clears done, ABORT ends a
    run, and a run that ``hangs`` never ends by itself.
    """

    def __init__(
        self, folder: Path, program: Program, error: int = 0, *, left: int = 0, hangs: bool = False
    ) -> None:
        self.left, self.hangs, self.aborts = left or 1 << Control.IDLE, hangs, 0
        (folder / "xdma0_user").write_bytes(bytes(0x1000))
        (folder / "xdma0_h2c_0").write_bytes(bytes(1 << 16))
        os.link(folder / "xdma0_h2c_0", folder / "xdma0_c2h_0")
        self.program, self.error = program, error
        super().__init__(folder / "xdma0")
        self._tell(0)

    def _tell(self, error: int) -> None:
        for offset, value in registers(self.program, error).items():
            super().write_register(offset, value)

    def write_register(self, offset: int, value: int) -> None:
        super().write_register(offset, value)
        if offset != REGISTERS["control"].offset:
            return
        if value == 1 << Control.ABORT:
            self.aborts += 1
            self.left = 1 << Control.IDLE | 1 << Control.DONE
            return
        assert value == 1 << Control.START
        assert self.left == 1 << Control.IDLE, "not idle, or an end is left to be read"
        self.left = 1 << Control.START
        if self.hangs:
            return
        sizes = Setup.of(self.program).sizes
        addresses = {
            name: self.read_register(o) | self.read_register(o + 4) << 32
            for name in sizes
            for o in [REGISTERS[name].offset]
        }
        channels = {name: address >> 32 for name, address in addresses.items()}
        stripes = {
            f"weights{k}": (2, 0, 3, 1)[k] for k in range(self.program.manifest.weight_ports)
        }
        shared = dict.fromkeys(("program", "parameters", "input", "output"), 1)
        assert channels == {**shared, **stripes}
        for name, data in self.program.regions.items():
            assert self.read(addresses[name], len(data)) == data
        if not self.error:
            region = self.read(addresses["input"], sizes["input"])
            self.write(addresses["output"], answer(self.program, region))
        self._tell(self.error)
        self.left = 1 << Control.IDLE | 1 << Control.DONE

    def read_register(self, offset: int) -> int:
        if offset != REGISTERS["control"].offset:
            return super().read_register(offset)
        value, self.left = self.left, self.left & ~(1 << Control.DONE)
        return value


def check(outputs: Sequence[object], images: Sequence[dict[str, npt.NDArray[np.int8]]]) -> None:
    for output, image in zip(outputs, images, strict=True):
        np.testing.assert_array_equal(output["y"], golden.run(network(), image)["y"])


@any_ports
@pytest.mark.parametrize("blind", [False, True])
def test_xrt_host_runs_every_image(program, images, blind: bool) -> None:
    card = xrt_link.XrtLink(Xrt(program, blind=blind), "polymap.xclbin")
    check(run_images(card, program, images), images)


def test_xrt_host_has_no_empty_buffers(program, images, monkeypatch) -> None:
    """Of a program without a region's data; the kernel of the stand-in does not mind."""
    regions = dict.fromkeys(program.regions, b"")
    monkeypatch.setattr(Program, "regions", regions)
    card = xrt_link.XrtLink(Xrt(program), "polymap.xclbin")
    check(run_images(card, program, images), images)


def test_xrt_host_reports_the_error_register(program, images) -> None:
    """Although the output was written: a wrong checksum shows at the end."""
    card = xrt_link.XrtLink(Xrt(program, error=Error.CHECKSUM), "polymap.xclbin")
    with pytest.raises(HostError, match="error CHECKSUM in an instruction of layer 0"):
        run_images(card, program, images)


def test_xrt_host_without_registers_sees_that_nothing_was_written(program, images) -> None:
    card = xrt_link.XrtLink(Xrt(program, fails=True, blind=True), "polymap.xclbin")
    with pytest.raises(HostError, match="output 'y' was not written"):
        run_images(card, program, images)


def test_xrt_host_passes_no_number_that_the_binding_leaves_out(program, images) -> None:
    """Larger sizes are refused; a larger limit is lowered."""
    link = xrt_link.XrtLink(Xrt(program), "polymap.xclbin")
    runtime = Runtime(link, replace(Setup.of(program), watchdog=1 << 31))
    runtime.load()
    with pytest.raises(HostError, match="watchdog is 2,147,483,648: XRT's Python binding passes"):
        runtime.execute(input_region(program.manifest, images[0]))
    manifest = replace(program.manifest, cycle_limit=1 << 40)
    lowered = replace(manifest, cycle_limit=(1 << 31) - 1)
    card = xrt_link.XrtLink(Xrt(replace(program, manifest=lowered)), "polymap.xclbin")
    check(run_images(card, replace(program, manifest=manifest), images), images)


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
        run_images(accesses, other, images)
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


@any_ports
def test_xdma_host_runs_every_image(program, images, tmp_path) -> None:
    with Card(tmp_path, program) as card:
        check(run_images(card, program, images), images)


def test_xdma_host_reports_the_error_register(program, images, tmp_path) -> None:
    message = "error CONFIGURATION in an instruction of layer 0"
    with (
        Card(tmp_path, program, error=Error.CONFIGURATION) as card,
        pytest.raises(HostError, match=message),
    ):
        run_images(card, program, images)


def test_xdma_host_gives_up(program, images, tmp_path, monkeypatch) -> None:
    """And ends the run, so that the next host finds the overlay idle."""
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    with Card(tmp_path, program, hangs=True) as card:
        with pytest.raises(HostError, match="did not end within 0 s"):
            run_images(card, program, images)
        assert card.aborts == 1
        card.hangs = False
        check(run_images(card, program, images), images)


def test_xdma_host_takes_no_end_of_another_run_for_its_own(program, images, tmp_path) -> None:
    with Card(tmp_path, program, left=1 << Control.DONE | 1 << Control.IDLE) as card:
        check(run_images(card, program, images), images)


def test_xdma_host_ends_a_run_that_another_one_left(program, images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    with Card(tmp_path, program, left=1 << Control.START) as card:
        check(run_images(card, program, images), images)
        assert card.aborts == 1


def test_xdma_host_cannot_use_an_overlay_that_stays_busy(
    program, images, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    with Card(tmp_path, program) as card:
        read = card.read_register
        control = REGISTERS["control"].offset
        busy = 1 << Control.START
        monkeypatch.setattr(card, "read_register", lambda at: busy if at == control else read(at))
        with pytest.raises(HostError, match="the overlay is busy"):
            run_images(card, program, images)


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


def test_words_are_written_whole() -> None:
    assert xdma_link.whole_words(b"x" * 65) == b"x" * 65 + bytes(63)
    assert xdma_link.whole_words(b"x" * 64) == b"x" * 64


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
    save_outputs(str(tmp_path / "batch.npz"), [{name: image["x"]} for image in images])
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


class Driver(xdma_link.XdmaLink):
    """The XDMA driver's files with nothing behind them."""

    def __init__(self, folder: Path, size: int = 1 << 16) -> None:
        for name in ("user", "h2c_0", "c2h_0"):
            (folder / f"xdma0_{name}").write_bytes(bytes(size))
        super().__init__(folder / "xdma0")


@pytest.mark.parametrize(
    ("call", "answer", "act", "message"),
    [
        ("pwrite", 0, lambda card: card.write(0, b"x" * 64), "the card took 0 of 64 bytes"),
        ("pwrite", 0, lambda card: card.write_register(16, 1), "0x10 took 0 of 4 bytes"),
        ("pwrite", 3, lambda card: card.write_register(16, 1), "0x10 took 3 of 4 bytes"),
        ("pread", b"", lambda card: card.read(0, 64), "delivered 0 of 64 bytes"),
        ("pread", b"xy", lambda card: card.read_register(16), "0x10 gave 2 of 4 bytes"),
        ("pwrite", OSError(5, "Input/output error"), lambda card: card.write(0, b"x"), "Input/out"),
        ("pread", OSError(110, "Timed out"), lambda card: card.read(0, 8), "read: Timed out"),
        ("pread", OSError(19, "No device"), lambda card: card.read_register(0), "No device"),
        ("pread", b"\xff" * 4, lambda card: card.make_idle(), "the card does not answer"),
    ],
)
def test_driver_that_fails(tmp_path, monkeypatch, call, answer, act, message) -> None:
    def failing(*arguments: object) -> object:
        if isinstance(answer, OSError):
            raise answer
        return answer

    with Driver(tmp_path) as card:
        monkeypatch.setattr(os, call, failing)
        with pytest.raises(HostError, match=message) as caught:
            act(card)
        monkeypatch.undo()
    assert str(tmp_path / "xdma0") in str(caught.value)


def test_driver_that_takes_little_at_a_time(tmp_path, monkeypatch) -> None:
    whole = os.pwrite
    with Driver(tmp_path) as card:
        monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:7], at))
        card.write(3, bytes(range(100)))
    assert (tmp_path / "xdma0_h2c_0").read_bytes()[3:103] == bytes(range(100))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file"), "xdma0_h2c_0: no such device: load the driver"),
        (PermissionError(13, "Permission denied"), "xdma0_h2c_0: permission denied"),
        (OSError(16, "Device or resource busy"), "cannot be opened: Device or resource busy"),
    ],
)
def test_device_that_cannot_be_opened(tmp_path, monkeypatch, error, message) -> None:
    opened, closed = [], []
    really, close = os.open, os.close

    def failing(path: str, flags: int) -> int:
        if path.endswith("h2c_0"):
            raise error
        opened.append(really(path, flags))
        return opened[-1]

    (tmp_path / "xdma0_user").write_bytes(bytes(64))
    monkeypatch.setattr(os, "open", failing)
    monkeypatch.setattr(os, "close", lambda file: closed.append(file) or close(file))
    with pytest.raises(HostError, match=message):
        xdma_link.XdmaLink(tmp_path / "xdma0")
    assert opened == closed and opened


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("device", "card 3 cannot be opened: boom"),
        ("load_xclbin", "x.xclbin cannot be loaded: boom"),
        ("kernel", "x.xclbin has no kernel polymap_kernel that is free: boom"),
        ("bo", "the card failed: boom"),
    ],
)
def test_xrt_that_fails(program, images, monkeypatch, part, message) -> None:
    def boom(*arguments: object) -> object:
        raise RuntimeError("boom")

    xrt = Xrt(program)
    if part == "load_xclbin":
        monkeypatch.setattr(
            xrt, "device", lambda number: SimpleNamespace(load_xclbin=boom), raising=False
        )
    else:
        monkeypatch.setattr(Xrt, part, boom)
    boom.normal = boom.exclusive = ""  # type: ignore[attr-defined]
    with pytest.raises(HostError, match=message):
        run_images(xrt_link.XrtLink(xrt, "x.xclbin", device=3), program, images)


def test_xrt_that_times_out(program, images, monkeypatch) -> None:
    monkeypatch.setattr(Xrt._Kernel, "__call__", lambda *a: SimpleNamespace(wait=lambda ms: "late"))
    with pytest.raises(HostError, match="the run did not end: late"):
        run_images(xrt_link.XrtLink(Xrt(program), "x.xclbin"), program, images)


def test_xrt_that_delivers_little(program, images, monkeypatch) -> None:
    monkeypatch.setattr(Xrt.bo, "read", lambda self, size, skip: self.data[: size // 2].copy())
    with pytest.raises(HostError, match=r"the card delivered \d+ of \d+ bytes"):
        run_images(xrt_link.XrtLink(Xrt(program), "x.xclbin"), program, images)


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and stderr of a host's command line."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_command_lines_fail_in_one_line(program, images, tmp_path) -> None:
    folder, inputs = tmp_path / "program", tmp_path / "x.npz"
    save_outputs(inputs, images)
    device = tmp_path / "xdma7"
    xdma = "boards.host.xdma_run"
    said = [
        command(xdma, "--device", device, folder, inputs, tmp_path / "y.npz"),
        command(xdma, tmp_path / "nowhere", inputs, tmp_path / "y.npz"),
        command(xdma, folder, tmp_path / "nowhere.npz", tmp_path / "y.npz"),
        command("boards.host.pyxrt_run", "x.xclbin", folder, inputs, tmp_path / "y.npz"),
    ]
    assert [code for code, _ in said] == [1, 2, 2, 1]
    assert all(text.count("\n") == 1 and text.endswith("\n") for _, text in said)
    assert said[0][1].startswith(f"xdma_run: {device}_user: no such device: load the driver")
    assert said[1][1].startswith("xdma_run: cannot read ")
    assert said[2][1] == f"xdma_run: {tmp_path / 'nowhere.npz'}: No such file or directory\n"
    assert said[3][1].startswith("pyxrt_run: XRT's Python binding is missing")
    assert not (tmp_path / "y.npz").exists()
