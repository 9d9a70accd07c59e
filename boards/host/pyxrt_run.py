"""Runs a compiled program on an Alveo card, through XRT's Python binding.

``python -m boards.host.pyxrt_run polymap.xclbin program/ inputs.npz outputs.npz``

inputs.npz holds the network's inputs as the overlay takes them: by name, int8, [image, H, W, C].
"""

from __future__ import annotations

from dse.process import interrupt

if __name__ == "__main__":
    interrupt.watch("pyxrt_run")  # the rest takes a while to import

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boards.host import command
from boards.host.image_batch import load_images, save_outputs
from boards.host.job import INPUT, OUTPUT, HostError, HostJob, Tensors, check_written
from boards.kernel import KERNEL, arguments

TIMEOUT_MS = 10_000


class XrtCard:
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

    def run(self, job: HostJob, images: Sequence[Tensors]) -> list[Tensors]:
        """The outputs of each image."""
        with _failing("the card failed"):
            return self._run(job, images)

    def _run(self, job: HostJob, images: Sequence[Tensors]) -> list[Tensors]:
        names = [argument.name for argument in arguments(job.weight_ports)]
        buffers = {
            name: self._xrt.bo(
                self._device,
                max(size, 1),  # XRT has no empty buffers
                self._xrt.bo.normal,
                self._kernel.group_id(names.index(name)),
            )
            for name, size in job.sizes.items()
        }
        values = {**job.settings({}), **buffers}
        for name, data in job.constant_regions().items():
            self._write(buffers[name], data)
        results: list[Tensors] = []
        for image in images:
            self._write(buffers[INPUT], job.input_region(image))
            self._write(buffers[OUTPUT], job.fill())
            run = self._kernel(*(values[name] for name in names))
            state = run.wait(TIMEOUT_MS)
            if state != self._xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
                raise HostError(f"the run did not end: {state}")
            outputs = job.output_tensors(self._read(buffers[OUTPUT]))
            check_written(outputs)
            results.append(outputs)
        return results

    def _write(self, buffer: Any, data: bytes) -> None:
        buffer.write(data, 0)
        direction = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        buffer.sync(direction, buffer.size(), 0)

    def _read(self, buffer: Any) -> bytes:
        size = buffer.size()
        buffer.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, size, 0)
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("xclbin")
    parser.add_argument("program", help="folder of program.bin, weights.bin, manifest.json")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--device", type=int, default=0)
    options = parser.parse_args()
    pyxrt = _binding()
    job = HostJob.load(options.program)
    images = load_images(options.inputs, job.program.manifest.inputs)
    Path(options.xclbin).open("rb").close()  # XRT's own message does not say why it cannot
    card = XrtCard(pyxrt, options.xclbin, device=options.device)
    save_outputs(options.outputs, card.run(job, images))


def _binding() -> Any:
    try:
        return importlib.import_module("pyxrt")  # of the XRT installation, not a package
    except ImportError as error:
        raise HostError(
            f"XRT's Python binding is missing ({error}): source setup.sh of XRT, usually "
            "/opt/xilinx/xrt/setup.sh"
        ) from error


if __name__ == "__main__":
    sys.exit(command.run(main, "pyxrt_run"))
