"""A program of one convolution and images for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from tests.boards.host_stand_ins import CONFIG, network


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    config = replace(CONFIG, weight_ports=getattr(request, "param", 1))
    compile_network(network(), config).save(tmp_path / "program")
    return Program.load(tmp_path / "program")


@pytest.fixture
def images() -> list[dict[str, npt.NDArray[np.int8]]]:
    rng = np.random.default_rng(2)
    return [{"x": rng.integers(-128, 128, (5, 4, 3)).astype(np.int8)} for _ in range(3)]
