"""An Alveo card behind XRT's Python binding: XRT starts the kernel and places the regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from boards.kernel import KERNEL, Argument, arguments
from boards.runtime.link import REPORT, CardRun, HostError
from hw.isa.register_map import REGISTERS, WEIGHT_BASES

TIMEOUT_MS = 10_000
LARGEST = (1 << 31) - 1  # the binding passes C's int, and leaves out an argument that is none


class XrtLink:
    """An Alveo card with the overlay loaded.

    Parameters
    ----------
    pyxrt : XRT's module.
    xclbin : the linked design.
    device : number of the card.
    """

    def __init__(self, pyxrt: Any, xclbin: str, *, device: int = 0) -> None:
        self._xrt = pyxrt
        with _failing(f"card {device} cannot be opened"):
            self._device = pyxrt.device(device)
        with _failing(f"{xclbin} cannot be loaded"):
            uuid = self._device.load_xclbin(xclbin)
        with _failing(f"{xclbin} has no kernel {KERNEL} that is free"):
            self._kernel = pyxrt.kernel(self._device, uuid, KERNEL, pyxrt.kernel.exclusive)
        self._arguments: tuple[Argument, ...] = ()
        self._buffers: dict[str, Any] = {}
        self._regions: dict[int, str] = {}
        self._words: dict[int, int] = {}

    def make_idle(self) -> None:
        """XRT does so when it loads the design."""

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        """Registers of 32 bits by name; none if the binding is one that cannot read them."""
        read: Callable[[int], int] | None = getattr(self._kernel, "read_register", None)
        if read is None:
            return {}
        with _failing("the card's registers cannot be read"):
            return {name: read(REGISTERS[name].offset) for name in names}

    def place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Buffers of these sizes, in the memories that the kernel's arguments reach."""
        self._arguments = arguments(sum(name in sizes for name in WEIGHT_BASES))
        with _failing("the card failed"):
            for number, argument in enumerate(self._arguments):
                if argument.name in sizes:
                    self._buffers[argument.name] = self._xrt.bo(
                        self._device,
                        max(sizes[argument.name], 1),  # XRT has no empty buffers
                        self._xrt.bo.normal,
                        self._kernel.group_id(number),
                    )
            addresses = {name: self._buffers[name].address() for name in sizes}
        self._regions = {address: name for name, address in addresses.items()}
        return addresses

    def write(self, address: int, data: bytes) -> None:
        """The buffer that starts at the address."""
        buffer = self._buffers[self._regions[address]]
        with _failing("the card failed"):
            buffer.write(data, 0)
            direction = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
            buffer.sync(direction, buffer.size(), 0)

    def write_register(self, offset: int, word: int) -> None:
        """XRT writes it when it starts the kernel: all are arguments."""
        self._words[offset] = word

    def run(self, output: int, size: int) -> CardRun:
        """Starts the kernel, waits for its end and reads what it left."""
        values = [self._value(argument) for argument in self._arguments]
        with _failing("the card failed"):
            state = self._kernel(*values).wait(TIMEOUT_MS)
        if state != self._xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            raise HostError(f"the run did not end: {state}")
        return CardRun(registers=self.read_registers(REPORT), output=self._read(output, size))

    def _value(self, argument: Argument) -> Any:
        """What the kernel is called with: buffers for pointers, numbers for all others."""
        if argument.master is not None:
            return self._buffers[argument.name]
        value = sum(self._words[argument.offset + 4 * k] << 32 * k for k in range(argument.words))
        if argument.name == "cycle_limit":  # a lower one does no harm: `TIMEOUT_MS` is less far
            return min(value, LARGEST)
        if value > LARGEST:
            raise HostError(
                f"{argument.name} is {value:,}: XRT's Python binding passes at most {LARGEST:,}"
            )
        return value

    def _read(self, address: int, size: int) -> bytes:
        buffer = self._buffers[self._regions[address]]
        with _failing("the card failed"):
            direction = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
            buffer.sync(direction, buffer.size(), 0)
            data = bytes(buffer.read(size, 0).tobytes())
        if len(data) != size:
            raise HostError(f"the card delivered {len(data)} of {size} bytes")
        return data


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """The binding raises whatever its C++ side throws."""
    try:
        yield
    except HostError:
        raise
    except Exception as error:
        raise HostError(f"{what}: {error}") from error
