"""A small design, placed and routed for real: a clock rate, and a path that adds up to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.route.__main__ import PACKAGE, SIZE, TOP
from boards.ecp5.timing_report import read
from boards.ecp5.toolchain import CellPlacement, Ecp5, netlist, routed
from dse.process.progress import Progress
from hw.lib.emit import emit
from hw.lib.queue import Queue


@pytest.mark.slow  # what makes bitstreams routes a design, too: tests/boards/test_ulx3s.py
def test_a_queue_is_routed(tmp_path: Path) -> None:
    with Progress("test") as progress:
        sources = {"queue.v": emit(Queue(shape=4, depth=8), TOP).text}
        mapped = netlist(sources, TOP, progress=progress, folder=tmp_path)
        device = Ecp5(size=SIZE, package=PACKAGE, speed=6)
        aim = {"device": device, "aim_mhz": 100, "placement": CellPlacement.CLOCK}
        routing = routed(mapped, seed=1, **aim, progress=progress)
        found = read(routing.report, 1)
    assert mapped.parent == tmp_path
    period = found.share("logic") + found.share("routing")
    assert found.clock_mhz == pytest.approx(1e3 / period, rel=1e-3)
    assert found.path[0].kind == "clk-to-q" and found.path[-1].kind == "setup"
    assert any(step.name.startswith("count.o_") for step in found.path)  # the source's names
    used, available = found.used["TRELLIS_FF"]
    assert 0 < used < available == 83640
