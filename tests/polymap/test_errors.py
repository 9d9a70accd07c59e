"""One line for every error."""

from __future__ import annotations

import pytest

from dse.files.about import about
from dse.network.graph import NetworkError
from dse.onnx.findings import Problem, UnsupportedError
from dse.passes import PassError
from hw.isa.config import ConfigError
from hw.isa.errors import BAD_INPUT, FAILURE, InputError, one_line
from polymap.api.refusals import describe
from sim.runner import SimulationError
from sim.verilator import ToolError


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (InputError("bad\n  input"), "bad input", BAD_INPUT),
        (NetworkError("no network"), "no network", BAD_INPUT),
        (ConfigError("no such array"), "no such array", BAD_INPUT),
        (PassError("it cannot be folded"), "it cannot be folded", BAD_INPUT),
        (ToolError("no Verilator"), "no Verilator", BAD_INPUT),
        (FileNotFoundError(2, "No such file", "a.bin"), "a.bin: No such file", BAD_INPUT),
        (FileExistsError(17, "File exists", "a"), "a: a file has this name: choose", BAD_INPUT),
        (SimulationError("it hung"), "the simulation failed: it hung", FAILURE),
        (ValueError(), "internal error, ValueError: ValueError; `polymap --debug x", FAILURE),
        (OSError("no file"), "internal error, OSError: no file; `polymap --debug x", FAILURE),
    ],
)
def test_describe(error: Exception, line: str, code: int) -> None:
    text, found = describe(error, "x")
    assert text.startswith(line)
    assert found == code


def test_unsupported_nodes_are_told_by_operator() -> None:
    problems = [Problem(f"n{n}", "Op", "why", "what") for n in range(5)]
    line = "5 unsupported nodes: Op: 5 nodes, first n0: why; what"
    assert one_line(UnsupportedError(problems)) == line
    other = Problem("m", "Other", "why", "what")
    assert one_line(UnsupportedError([*problems, other])) == (
        f"6{line[1:]}; Other: 1 node, m: why; what"
    )
    mixed = [problems[0], Problem("m", "Op", "else", "what"), Problem("l", "Op", "or", "what")]
    assert one_line(UnsupportedError(mixed)) == (
        "3 unsupported nodes: Op: 3 nodes, first n0: why; what (and 2 other reasons)"
    )


@pytest.mark.parametrize(
    ("path", "message", "named"),
    [
        ("m.onnx", "it is broken", "m.onnx: it is broken"),
        ("m.onnx", "m.onnx: it is broken", "m.onnx: it is broken"),
        ("p", "the program is bad", "p: the program is bad"),
        ("p", "cannot read p/x.bin", "cannot read p/x.bin"),
        ("a/p", "cannot read /a/p", "a/p: cannot read /a/p"),
    ],
)
def test_about_names_the_file_once(path: str, message: str, named: str) -> None:
    with pytest.raises(ValueError) as caught, about(path):
        raise NetworkError(message)
    assert str(caught.value) == named


def test_about_leaves_failures_alone() -> None:
    with pytest.raises(SimulationError, match=r"^it hung$"), about("program"):
        raise SimulationError("it hung")


def test_about_leaves_internal_errors_alone() -> None:
    with pytest.raises(KeyError, match="k"), about("m.onnx"):
        raise KeyError("k")
