"""cocotb on emitted designs: only the top's ports are public, and a failed test raises."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
from cocotb_tools.runner import Verilator

from hw.lib.emit import Verilog
from sim.fast.simulated_run import Job
from sim.tb.bench import JOB, RESULT
from sim.verilator import build


class BenchError(AssertionError):
    """Tests of a bench failed, or it did not run at all."""


@dataclass(frozen=True, kw_only=True)
class BenchRun:
    """Output region and registers after one run of a job."""

    output: bytes
    registers: dict[str, int]


class _Runner(Verilator):
    """cocotb's runner, for an executable that is already there."""

    def __init__(self, executable: Path, *, waves: bool) -> None:
        super().__init__()
        self._executable = executable
        self._with_waves = waves

    def _test_command(self) -> list[list[str]]:
        return [[str(self._executable), *(["--trace"] if self._with_waves else [])]]


def build_bench(verilog: Verilog, *, public: Sequence[str] = (), waves: bool = False) -> Path:
    """Builds a cocotb simulation of ``verilog``; equal ones are built once.

    ``public`` names signals of the top beside its ports that the bench needs.  Everything else is
    hidden from it: public signals cost most of Verilator's speed.
    """
    names = [*(port.name for port in verilog.ports), *public]
    control = [f'public_flat_rw -module "{verilog.top}" -var "{name}"' for name in names]
    libraries = cocotb_tools.config.libs_dir
    return build(
        verilog,
        sources=[cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"],
        control="\n".join(["`verilator_config", *control, ""]),
        arguments=[
            "--vpi",
            *("--timescale", "1ns/1ps"),
            *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
            *(["--trace"] if waves else []),
        ],
    )


def run_bench(
    verilog: Verilog,
    module: str,
    *,
    folder: Path,
    public: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    seed: int = 1,
    waves: bool = False,
) -> int:
    """Runs the cocotb tests of ``module`` and returns their number; BenchError if one failed.

    Parameters
    ----------
    verilog : the design under test.
    module : name of the Python module with the tests.
    folder : for the log, the results and waves.
    public : see ``build_bench``.
    environment : more environment variables, for the tests to read.
    seed : cocotb's random seed.
    waves : write ``dump.vcd``.
    """
    executable = build_bench(verilog, public=public, waves=waves)
    results = folder.resolve() / "results.xml"
    log = folder.resolve() / "bench.log"
    reason = ""
    try:
        _Runner(executable, waves=waves).test(
            module,
            verilog.top,
            hdl_toplevel_lang="verilog",
            build_dir=executable.parent,
            test_dir=folder,
            results_xml=str(results),
            log_file=log,
            seed=seed,
            extra_env=dict(environment or {}),
        )
    except (RuntimeError, SystemExit) as error:  # the runner exits by itself below pytest
        reason = str(error)
    # Its exit code says nothing outside of pytest: the results do.
    if not results.is_file():
        raise BenchError(f"{module} did not run: {reason}\n{_tail(log)}")
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    failed = [
        case.get("name", "?")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    if failed or not cases:
        raise BenchError(
            f"{module}: {', '.join(failed) or 'no tests'} failed (log: {log})\n{_tail(log)}"
        )
    return len(cases)


def run_job(verilog: Verilog, job: Job, *, folder: Path, waves: bool = False) -> list[BenchRun]:
    """Runs a job on the overlay behind cocotbext-axi's memories; a BenchRun for each input.

    Of the job's timing only ``stall`` and ``seed`` count, and there are no dumps.
    """
    job_file, result_file = folder.resolve() / "job.pickle", folder.resolve() / "result.pickle"
    job_file.write_bytes(pickle.dumps(job))
    run_bench(
        verilog,
        "sim.tb.bench",
        folder=folder,
        environment={JOB: str(job_file), RESULT: str(result_file)},
        waves=waves,
    )
    return [
        BenchRun(output=output, registers=registers)
        for output, registers in pickle.loads(result_file.read_bytes())
    ]


def _tail(log: Path) -> str:
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:])
