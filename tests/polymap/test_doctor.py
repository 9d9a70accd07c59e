"""``polymap doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_everything_needed_is_here(invoke: Callable[..., Any]) -> None:
    answer = invoke("doctor")
    assert answer.code == 0
    for name in ("g++", "make", "perl", "verilator", "onnxruntime", "pyxrt", "XRT driver"):
        assert name in answer.stdout


def test_json(invoke: Callable[..., Any]) -> None:
    data = json.loads(invoke("doctor", "--json").stdout)
    assert data["ready"] is True
    findings = {finding["name"]: finding for finding in data["findings"]}
    assert findings["onnxruntime"]["found"]
    assert findings["g++"]["required"] is True
    assert findings["pyxrt"]["required"] is False
    assert "XRT" in findings["pyxrt"]["remedy"]


def test_absent_programs(
    invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = invoke("doctor", "--json")
    assert answer.code == 2
    assert json.loads(answer.stdout)["ready"] is False
    assert answer.stderr == (
        "polymap doctor: missing: g++ (install the package g++), make (install the package make), "
        "perl (install the package perl), ar (install the package binutils)\n"
    )


def test_a_program_without_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from polymap.api.installation import diagnose

    make = tmp_path / "make"
    make.write_text("#!/bin/sh\nexit 1\n")
    make.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.name: finding.found for finding in diagnose()}
    assert found["make"] == str(make)
    assert found["perl"] is None
