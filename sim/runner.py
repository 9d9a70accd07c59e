"""The fast path: the emitted overlay with memory and host in C++, run on whole networks."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from boards.runtime.runtime import Runtime
from boards.runtime.setup import OUTPUT
from hw.isa import Engine
from hw.isa.errors import FAILURE, PolymapError
from hw.isa.register_map import REGISTERS, Control
from hw.lib.emit import Verilog
from sim.fast.simulated_run import CHANNELS, EVENT, Dump, Job, Run, Timing
from sim.verilator import build

SOURCE = Path(__file__).parent / "fast" / "main.cpp"
MEMORY_BASE = 0x40_0000_0000  # beyond 32 bits, so that a truncated address shows
PAGE = 4096
Progress = Callable[[int, int], None]  # number of the run, its cycle


class SimulationError(PolymapError, RuntimeError):
    """The design broke a rule of its interfaces, or a run did not end."""

    exit_code = FAILURE
    heading = "the simulation failed: "


class FastSimulation:
    """An overlay built with the C++ harness.

    Parameters
    ----------
    verilog : the emitted top, with the overlay's ports.
    tensor_bytes : capacity of its tensor memory, for the shadow copy.
    waves : build with waveforms.
    hierarchical : build marked modules apart from the rest.
    """

    def __init__(
        self,
        verilog: Verilog,
        *,
        tensor_bytes: int,
        waves: bool = False,
        hierarchical: bool = False,
    ) -> None:
        self.verilog = verilog
        self._waves = waves
        self._executable = build(
            verilog,
            sources=[SOURCE],
            headers={"design.h": design_header(verilog, tensor_bytes=tensor_bytes)},
            arguments=["--trace"] if waves else [],
            hierarchical=hierarchical,
        )

    def run(self, *jobs: Job, progress: Progress | None = None) -> list[Run]:
        """Runs the jobs one after the other on one overlay, reset once; a Run for each input."""
        with tempfile.TemporaryDirectory(prefix="polymap-") as name:
            folder = Path(name)
            script = _Script(folder)
            if self._waves:
                script.lines.append(f"waves {Path('waves.vcd').resolve()}")
            places = [script.add(job) for job in jobs]
            script.finish()
            self._execute(folder, progress)
            return _read_results(folder, jobs, places)

    def _execute(self, folder: Path, progress: Progress | None) -> None:
        command = [str(self._executable), *(str(folder / name) for name in _FILES)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                for line in process.stdout:
                    if progress is not None:
                        run, cycle = line.split()
                        progress(int(run), int(cycle))
                message = process.stderr.read().strip()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise SimulationError(message or f"simulation ended with code {process.returncode}")


_FILES = ("job.txt", "results.jsonl", "dumps.bin", "events.bin")


@dataclass
class _Script:
    """Job file: a link that writes down what the host does, for the harness to do it later.

    Regions lie in memory one after the other, with margins.
    """

    folder: Path
    lines: list[str] = field(default_factory=list)
    next_address: int = MEMORY_BASE + PAGE
    files: int = 0

    def add(self, job: Job) -> Path:
        """Appends a job; returns the file that its outputs go to."""
        self.lines.append(f"timing {timing_words(job.timing)}")
        outputs = self._file()
        runtime = Runtime(_JobLink(self, job.limit, outputs), job.setup)
        runtime.load()
        if job.cut is not None:
            runtime.write_input(job.inputs[0])
            self.lines.append(f"cut {job.cut}")
            runtime.set_registers()
        self.lines.append("clear")
        for dump in job.dumps:
            counts = [dump.retired.get(engine, 0) for engine in Engine]
            values = [*counts, dump.address, dump.pitch, dump.channels, dump.pixels]
            self.lines.append(f"dump {' '.join(map(str, values))}")
        for data in job.inputs:
            runtime.execute(data)
        return outputs

    def finish(self) -> None:
        """Writes the job file."""
        head = [f"dram {MEMORY_BASE} {self.next_address - MEMORY_BASE} 1", "reset"]
        (self.folder / _FILES[0]).write_text("\n".join([*head, *self.lines, ""]))

    def region(self, size: int) -> int:
        """Address of so many bytes."""
        address = self.next_address
        self.next_address += -(-size // PAGE) * PAGE + 2 * PAGE
        return address

    def load(self, address: int, data: bytes) -> None:
        """Bytes into memory."""
        file = self._file()
        file.write_bytes(data)
        self.lines.append(f"load {address} {file} 0 {len(data)}")

    def _file(self) -> Path:
        self.files += 1
        return self.folder / f"file{self.files}.bin"


@dataclass(frozen=True)
class _JobLink:
    """The link to the overlay in the harness: lines of the job file."""

    script: _Script
    limit: int
    outputs: Path

    def make_idle(self) -> None:
        """The harness does so before each run."""

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        """None: there are no values before the job file has been run."""
        return {}

    def place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Places of the regions; the harness counts writes outside of the output as stray."""
        addresses = {name: self.script.region(size) for name, size in sizes.items()}
        self.script.lines.append(f"writable {addresses[OUTPUT]} {sizes[OUTPUT]}")
        return addresses

    def write(self, address: int, data: bytes) -> None:
        """Memory."""
        self.script.load(address, data)

    def write_register(self, offset: int, word: int) -> None:
        """A 32-bit register."""
        self.script.lines.append(f"write {offset} {word}")

    def run(self, output: int, size: int) -> None:
        """A run; the results' file tells of it later."""
        self.script.lines += [f"run {self.limit}", f"save {output} {size} {self.outputs}"]


def timing_words(timing: Timing) -> str:
    values = {item.name: getattr(timing, item.name) for item in fields(Timing)}
    return " ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _read_results(folder: Path, jobs: Sequence[Job], places: Sequence[Path]) -> list[Run]:
    records = [json.loads(line) for line in (folder / _FILES[1]).read_text().splitlines()]
    dumps = np.fromfile(folder / _FILES[2], np.int8)
    events = np.fromfile(folder / _FILES[3], EVENT)
    runs: list[Run] = []
    for job, place in zip(jobs, places, strict=True):
        saved, size = place.read_bytes(), job.output_bytes
        for number in range(len(job.inputs)):
            record = records[len(runs)]
            run_events, events = np.split(events, [record["events"]])
            taken, dumps = np.split(dumps, [sum(record["dumped"])])
            if not record["ended"]:
                raise SimulationError(_hung(len(runs), record, run_events))
            if record["stray_bytes"]:
                raise SimulationError(
                    f"run {len(runs)} wrote outside of its output region: "
                    f"{record['stray_bytes']} bytes"
                )
            runs.append(
                Run(
                    output=saved[number * size : (number + 1) * size],
                    dumps=_split_dumps(taken, record["dumped"], job.dumps),
                    events=run_events,
                    registers=record["registers"],
                    beats={name: record[f"{name}_beats"] for name in CHANNELS},
                    bursts={name: record[f"{name}_bursts"] for name in CHANNELS},
                )
            )
    return runs


def _split_dumps(
    taken: np.ndarray, sizes: Sequence[int], dumps: Sequence[Dump]
) -> list[np.ndarray | None]:
    parts = np.split(taken, np.cumsum(sizes)[:-1]) if sizes else []
    return [
        part.reshape(dump.pixels, dump.channels) if size else None
        for part, size, dump in zip(parts, sizes, dumps, strict=True)
    ]


def _hung(run: int, record: dict[str, Any], events: np.ndarray) -> str:
    balance: dict[tuple[int, int], int] = {}
    for event in events:
        key = int(event["engine"]), int(event["tag"])
        balance[key] = balance.get(key, 0) + (-1 if event["retire"] else 1)
    names = [f"{Engine(engine).name} tag {tag}" for (engine, tag), n in balance.items() if n > 0]
    under_way = ", ".join(names) or "nothing"
    return f"run {run} did not end within {record['elapsed']} cycles; under way: {under_way}"


def design_header(verilog: Verilog, *, tensor_bytes: int) -> str:
    """The harness's view of the design: widths from its ports, offsets from the register map."""
    widths = {port.name: port.width for port in verilog.ports}
    readers = (re.fullmatch(r"m_axi_gmem(\d+)_rdata", name) for name in widths)
    masters = sorted(int(found[1]) for found in readers if found)
    lines = [
        "#pragma once",
        "#include <cstdint>",
        f"constexpr unsigned DATA_BYTES = {widths['m_axi_gmem0_rdata'] // 8};",
        f"constexpr uint64_t TENSOR_BYTES = {tensor_bytes};",
        f"#define POLYMAP_READ_MASTERS(X) {' '.join(f'X({master})' for master in masters)}",
        f"#define HAS_TRACE {int('trace_write_valid' in widths)}",
        *(f"constexpr uint32_t CONTROL_{bit.name} = {1 << bit};" for bit in Control),
        *(
            f"constexpr uint32_t REGISTER_{name.upper()} = {register.offset};"
            for name, register in REGISTERS.items()
        ),
        "struct Register { const char* name; uint32_t offset; uint32_t words; };",
        "constexpr Register REGISTERS[] = {",
        *(
            f'    {{"{name}", {register.offset}, {register.words}}},'
            for name, register in REGISTERS.items()
        ),
        "};",
    ]
    return "\n".join([*lines, ""])
