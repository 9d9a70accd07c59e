"""Programs that are WebAssembly: the first start, which writes a cache, happens alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from boards import wasm
from boards.wasm import MissingProgram, wasm_program

ALONE = """#!/bin/sh
mkdir {here}/busy || exit 1
sleep 0.2
rmdir {here}/busy
echo started >> {here}/log
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(wasm, "sys", SimpleNamespace(executable=str(tmp_path / "python")))
    return tmp_path


def test_first_starts_take_turns(environment: Path) -> None:
    tool = environment / "polymap-test-tool"
    tool.write_text(ALONE.format(here=environment))
    tool.chmod(0o755)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(wasm_program.__wrapped__, [tool.name] * 4))
    assert found == [tool] * 4
    assert (environment / "log").read_text().split() == ["started"] * 4


def test_a_missing_program_is_named(environment: Path) -> None:
    with pytest.raises(MissingProgram, match="yowasp-nothing"):
        wasm_program("yowasp-nothing")
