"""``polymap explore --batch``: latency and images a second, and options that make no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_images_in_flight(invoke: Callable[..., Any], quantised: Path, tmp_path: Path) -> None:
    arguments = ("--board", "u200", "--dsp", 100, "--array", "3x4", "--lanes", 2, "--no-certify")
    flown = ("--batch", 2, "--overlays", 2, "--objective", "throughput", "--out", tmp_path)
    answer = invoke("explore", quantised, *arguments, *flown)
    assert answer.code == 0, answer
    assert "images/s" in answer.stdout
    told = json.loads((tmp_path / "exploration.json").read_text())
    flights = told["in_flight"]
    assert [(f["overlays"], f["images"]) for f in flights] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert told["overlays"] == 2
    assert all(f["images_per_second"] > 0 for f in told["in_flight_pareto"])
    assert "Images in flight" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objective", "throughput"), "of one image at a time it is --objective latency"),
        (("--batch", 2, "--model", "dynamap"), "need --model overlay"),
        (("--overlays", 2, "--array", "4x4"), "it needs --board"),
        (("--batch", 2, "--board", "u200", "--style", "both"), "has no use for --batch"),
        (("--overlays", 5, "--board", "u200"), "u200 has 4 memory channel(s)"),
    ],
)
def test_options_that_make_no_sense(
    refused: Callable[..., str], quantised: Path, arguments: tuple[object, ...], words: str
) -> None:
    assert words in refused("explore", quantised, *arguments)
