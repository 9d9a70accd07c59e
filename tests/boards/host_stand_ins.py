"""Stand-ins for XRT and for the XDMA driver's files, behind which an overlay computes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from boards.kernel import KERNEL
from boards.runtime import xdma_link
from boards.runtime.runtime import ImageRun
from boards.runtime.setup import FILL, WATCHDOG_CYCLES, Setup
from dse.assembly.program import Program
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
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
    pool_lanes=1,
    tables=0,
    products=0,
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


any_ports = pytest.mark.parametrize("program", [1, 2, 4], indirect=True)


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


CYCLES = 4321  # of each run


def registers(program: Program, error: int) -> dict[int, int]:
    """What an overlay that the program is for tells after a run, by offset."""
    values = {
        "isa_version": program.manifest.isa_version,
        "configuration": program.manifest.configuration_hash,
        "status": bool(error) << Status.ERROR,
        "error": error,
        "error_tag": 0,
        "cycles": CYCLES,
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


def check(outputs: Iterable[ImageRun], images: Sequence[dict[str, npt.NDArray[np.int8]]]) -> None:
    for output, image in zip(outputs, images, strict=True):
        np.testing.assert_array_equal(output.outputs["y"], golden.run(network(), image)["y"])
