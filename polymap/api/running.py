"""A compiled model on a card, or on the simulated overlay."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards.board import KCU1500, U200
from boards.runtime.batch_task import BatchTask, Progress
from boards.runtime.link import Ended, HostError, Link
from boards.runtime.serial_link import SerialLink
from boards.runtime.target import Target
from boards.runtime.xdma_link import DEVICE, XdmaLink
from boards.runtime.xrt_link import XrtLink
from dse.cycles.whole_program import program_cycles
from dse.files.arrays import write_arrays
from dse.files.writing import writing
from hw.isa.errors import InputError
from sim.fast_overlay import build_overlay
from sim.simulated_card import SimulatedCard
from sim.verilator import toolchain

OUTPUTS_FILE, RUN_FILE = "outputs.npz", "run.json"
RUN_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a batch gave, and what it took.

    Members
    -------
    outputs : by name, image axis first.
    clock_hz : of the overlay; None: unknown, as in simulation.
    cycles : of each image by the overlay's own count; None if it could not be read.
    predicted_cycles : of an image, by the exact model with an ideal memory.
    seconds : of each image for the host, with its transfers.
    """

    on: Target
    outputs: Mapping[str, np.ndarray]
    clock_hz: float | None
    cycles: tuple[int, ...] | None
    predicted_cycles: int
    seconds: tuple[float, ...]

    @property
    def images_per_second(self) -> float:
        """For the host, one image after the other."""
        return len(self.seconds) / sum(self.seconds)

    @property
    def latency_ms(self) -> float | None:
        """Of the slowest image on the overlay, if cycles and clock are known."""
        return None if self.cycles is None else self._milliseconds(max(self.cycles))

    @property
    def predicted_ms(self) -> float | None:
        """The same as predicted."""
        return self._milliseconds(self.predicted_cycles)

    def _milliseconds(self, cycles: int) -> float | None:
        return None if self.clock_hz is None else 1e3 * cycles / self.clock_hz

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs, as plain data."""
        return {
            "version": RUN_VERSION,
            "on": self.on.value,
            "images": len(self.seconds),
            "clock_mhz": None if self.clock_hz is None else self.clock_hz / 1e6,
            "cycles_per_image": self.cycles,
            "predicted_cycles": self.predicted_cycles,
            "latency_ms": self.latency_ms,
            "predicted_ms": self.predicted_ms,
            "host_ms_per_image": [1e3 * one for one in self.seconds],
            "images_per_second": self.images_per_second,
        }

    def save(self, folder: Path) -> None:
        """Writes ``outputs.npz`` and ``run.json``."""
        with writing(folder) as files:
            with files.open(OUTPUTS_FILE) as stream:
                write_arrays(stream, self.outputs)
            files.json(RUN_FILE, {**self.to_json(), "outputs_sha256": files.sha256(OUTPUTS_FILE)})


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A way to an overlay, and the clock that it runs at, if anybody knows."""

    link: Link[Ended]
    clock_hz: float | None


def run(
    program: str | Path,
    inputs: str | Path,
    on: Target,
    *,
    device: str | None = None,
    xclbin: Path | None = None,
    progress: Progress = lambda done, whole: None,
) -> Answered:
    """Runs what ``compile`` wrote on every image of a batch; HostError if a run fails.

    Parameters
    ----------
    program : the folder.
    inputs : an ``.npz`` file, see `BatchTask.read`.
    device : which card: a number (xrt), the common part of the driver's files (xdma), or a serial
        port (ulx3s).
    xclbin : the linked design (xrt).
    progress : called with the runs done and the runs of all images.
    """
    task = BatchTask.read(Path(program), Path(inputs))
    with _open(on, task, device, xclbin) as opened:
        answers = task.run(opened.link, progress)
    predicted = (program_cycles(one, one.manifest.overlay).total for one in task.programs)
    return Answered(
        on=on,
        outputs=answers.outputs,
        clock_hz=opened.clock_hz,
        cycles=answers.cycles,
        predicted_cycles=sum(predicted),
        seconds=answers.seconds,
    )


@contextmanager
def _open(on: Target, task: BatchTask, device: str | None, xclbin: Path | None) -> Iterator[Opened]:
    if on is not Target.XRT and xclbin is not None:
        raise InputError("--xclbin is for --on xrt")
    match on:
        case Target.SIMULATION:
            if device is not None:
                raise InputError("--device names a card: a simulation has none")
            yield Opened(link=_simulated(task), clock_hz=None)
        case Target.XRT:
            yield Opened(link=_xrt(device, xclbin), clock_hz=U200.clock_hz)  # the U250's, too
        case Target.XDMA:
            with XdmaLink(DEVICE if device is None else Path(device)) as link:
                yield Opened(link=link, clock_hz=KCU1500.clock_hz)
        case Target.ULX3S:
            with SerialLink.open(device) as link:
                yield Opened(link=link, clock_hz=link.clock_hz)


def _simulated(task: BatchTask) -> SimulatedCard:
    toolchain()
    config = task.programs[0].manifest.overlay
    return SimulatedCard(build_overlay(config), config)


def _xrt(device: str | None, xclbin: Path | None) -> XrtLink:
    if xclbin is None:
        raise InputError("--on xrt needs --xclbin FILE, the linked design")
    if device is not None and not device.isdecimal():
        raise InputError(f"--device must be the number of a card for --on xrt, not {device!r}")
    try:
        pyxrt = importlib.import_module("pyxrt")  # of the XRT installation, not a package
    except ImportError as error:
        raise HostError(
            f"XRT's Python binding is missing ({error}): source setup.sh of XRT, usually "
            "/opt/xilinx/xrt/setup.sh"
        ) from error
    xclbin.open("rb").close()  # XRT's own message does not say why it cannot
    return XrtLink(pyxrt, str(xclbin), device=int(device or 0))
