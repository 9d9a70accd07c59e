"""``--json`` means one JSON document on the process's own standard output, and nothing else.

In processes of their own, since libraries in C write past Python's streams.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rtl.overlays import OVERLAYS

PROGRESS = re.compile(r"(polymap: [a-z ]+, \d+ s\n)*")
"""All that may stand on stderr; nothing where the machine is quick."""
ARRAY = ("--array", "4x6", "--lanes", "1")


@pytest.mark.parametrize("command", ["check", "compile", "elaborate", "explore", "pipeline"])
def test_one_document(command: str, quantised: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(OVERLAYS["2x2"].to_json()))
    arguments: dict[str, tuple[object, ...]] = {
        "check": (quantised,),
        "compile": (quantised, *ARRAY, "--out", tmp_path),
        "elaborate": ("--config", config, "--out", tmp_path),
        "explore": (quantised, "--array", "4x6"),
        "pipeline": ("alexnet",),
    }
    call = [sys.executable, "-m", "polymap.cli", command, *map(str, arguments[command]), "--json"]
    answer = subprocess.run(call, capture_output=True, text=True, check=True)
    assert isinstance(json.loads(answer.stdout), dict)
    assert PROGRESS.fullmatch(answer.stderr), answer.stderr
