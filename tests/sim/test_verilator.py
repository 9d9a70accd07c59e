"""Builds are cached and checked; a missing program is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hw.lib.emit import Verilog
from sim import verilator
from sim.verilator import ToolError, build, lint, toolchain

pytestmark = pytest.mark.rtl


TOP = """
module counter(clk, value);
  input clk;
  output reg [7:0] value = 0;
  always @(posedge clk) value <= value + 8'd1;
endmodule
"""
MAIN = """
#include "Vtop.h"
#include "answer.h"
int main() { Vtop top; top.clk = 1; top.eval(); return top.value + ANSWER; }
"""


def design(text: str = TOP) -> Verilog:
    return Verilog(top="counter", text=text, modules=("counter",), ports=(), hierarchical=False)


def test_a_build_is_kept_until_an_input_changes(tmp_path: Path) -> None:
    main = tmp_path / "main.cpp"
    main.write_text(MAIN)

    def made(answer: int, text: str = TOP) -> Path:
        headers = {"answer.h": f"#define ANSWER {answer}\n"}
        return build(design(text), sources=[main], headers=headers, folder=tmp_path / "builds")

    first = made(1)
    stamp = first.stat().st_mtime_ns
    assert made(1) == first
    assert first.stat().st_mtime_ns == stamp
    assert made(2) != first
    assert not list((tmp_path / "builds").glob("*.part"))
    assert shutil.which(str(first))


def test_lint_reports_the_first_fault(tmp_path: Path) -> None:
    lint(design(), folder=tmp_path)
    with pytest.raises(ToolError, match="WIDTHTRUNC"):
        lint(design(TOP.replace("8'd1", "9'd1")), folder=tmp_path)
    with pytest.raises(ToolError, match="syntax error"):
        lint(design(TOP.replace("always", "alway")), folder=tmp_path)


@pytest.mark.parametrize("program", ["g++", "make", "perl"])
def test_a_missing_program_is_named(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else found(name))
    monkeypatch.setattr(verilator, "toolchain", toolchain.__wrapped__)
    with pytest.raises(ToolError) as error:
        verilator.toolchain()
    assert str(error.value).startswith(f"{program} is needed to build simulations")
    assert "\n" not in str(error.value)
