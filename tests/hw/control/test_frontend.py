"""The frontend runs random programs, survives errors and hung memory: see ``frontend_bench``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw.isa.config import OverlayConfig
from hw.lib.emit import emit
from sim.cocotb_runner import run_bench
from tests.hw.control.frontend_design import FrontendDesign

pytestmark = pytest.mark.rtl


def config(axi_bytes: int, weight_ports: int) -> OverlayConfig:
    """A small overlay; its weight words take several of the narrow beats."""
    return OverlayConfig(
        rows=3,
        columns=5,
        lanes=2,
        axi_bytes=axi_bytes,
        weight_ports=weight_ports,
        tensor_bytes=1024,
        accumulator_depth=8,
        weight_words=11,
        parameter_depth=16,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("axi_bytes", "weight_ports"), [(4, 2), (32, 1)])
def test_frontend(axi_bytes: int, weight_ports: int, tmp_path: Path) -> None:
    made = config(axi_bytes, weight_ports)
    run_bench(
        emit(FrontendDesign(config=made), "frontend"),
        "tests.hw.control.frontend_bench",
        folder=tmp_path,
        environment={"CONFIG": json.dumps(made.to_json()), "PYTHONWARNINGS": "ignore"},
    )
