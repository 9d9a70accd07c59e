"""What the house's rule lets pass, each with its reason."""

from __future__ import annotations

from tests.house.rule import Exceptions

EXCEPTIONS = Exceptions(
    entries={
        "sim.demo": "make demo",
        "boards.host.pyxrt_run": "a script for the card's host",
        "boards.host.xdma_run": "a script for the card's host",
    },
)
