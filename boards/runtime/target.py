"""Where a compiled model can run."""

from __future__ import annotations

import enum


class Target(enum.StrEnum):
    """A kind of link to an overlay."""

    SIMULATION = "simulation"
    XRT = "xrt"
    XDMA = "xdma"
    ULX3S = "ulx3s"
