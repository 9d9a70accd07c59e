"""The examples of docs/cli.md run as they stand, but for those that build a large array."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import polymap
from polymap import __all__ as names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()
LARGE = ("simulate", "elaborate", "package")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the examples, and with the builds of the real one."""
    builds = Path(os.environ.get("POLYMAP_BUILD", "build")).resolve()
    monkeypatch.setenv("POLYMAP_BUILD", str(builds))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("checkout")
def test_commands(invoke: Callable[..., Any]) -> None:
    lines = [shlex.split(line) for block in _blocks("console") for line in block.splitlines()]
    assert {line[1] for line in lines} > set(LARGE)
    for program, command, *arguments in lines:
        assert program == "polymap"
        if command not in LARGE:
            answer = invoke(command, *arguments)
            assert answer.code == 0, answer


@pytest.mark.usefixtures("checkout")
@pytest.mark.rtl
def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = _blocks("python")
    exec(compile(block, "docs/cli.md", "exec"), {})
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"\d+ 0 \[\d \d\]", last), last


def test_every_public_name_exists() -> None:
    for name in names:
        assert getattr(polymap, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = polymap.nonsense
