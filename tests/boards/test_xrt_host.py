"""The host of XRT, on a stand-in for its binding."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from boards.runtime import xrt_link
from boards.runtime.link import HostError
from boards.runtime.regions import input_region
from boards.runtime.runtime import Runtime, run_images
from boards.runtime.setup import Setup
from dse.assembly.program import Program
from hw.isa import Error
from tests.boards.host_stand_ins import Xrt, any_ports, check


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
        list(run_images(card, program, images))


def test_xrt_host_without_registers_sees_that_nothing_was_written(program, images) -> None:
    card = xrt_link.XrtLink(Xrt(program, fails=True, blind=True), "polymap.xclbin")
    with pytest.raises(HostError, match="output 'y' was not written"):
        list(run_images(card, program, images))


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
        list(run_images(xrt_link.XrtLink(xrt, "x.xclbin", device=3), program, images))


def test_xrt_that_times_out(program, images, monkeypatch) -> None:
    monkeypatch.setattr(Xrt._Kernel, "__call__", lambda *a: SimpleNamespace(wait=lambda ms: "late"))
    with pytest.raises(HostError, match="the run did not end: late"):
        list(run_images(xrt_link.XrtLink(Xrt(program), "x.xclbin"), program, images))


def test_xrt_that_delivers_little(program, images, monkeypatch) -> None:
    monkeypatch.setattr(Xrt.bo, "read", lambda self, size, skip: self.data[: size // 2].copy())
    with pytest.raises(HostError, match=r"the card delivered \d+ of \d+ bytes"):
        list(run_images(xrt_link.XrtLink(Xrt(program), "x.xclbin"), program, images))
