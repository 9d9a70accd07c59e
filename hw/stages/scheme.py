"""What a stage keeps on chip."""

from __future__ import annotations

from enum import Enum
from typing import Any

BANDS = 8


class Scheme(Enum):
    """What a stage keeps on chip.

    - LINE: the weights stay on chip. A ring of input rows holds what the present step reads and
      what arrives meanwhile; all output channels of a step are made before the next step.
    - BAND: as LINE, but a step is a band of ``1 / BANDS`` of the map, and the weights of one tile
      of output channels are held twice, one tile in use and one arriving from DRAM. Every weight is
      read once per band.
    - MAP: the whole input map is held twice, one copy being read and one being written, and the
      weights as in BAND. Every weight is read once per image.
    """

    LINE = "line"
    BAND = "band"
    MAP = "map"


def step_passes(scheme: Scheme, passes: Any) -> Any:
    """Passes of one step, of a number of passes or of an array of them: those which all segments
    make before the channels start again."""
    if scheme is Scheme.LINE:
        return passes * 0 + 1
    if scheme is Scheme.BAND:
        return -(-passes // BANDS)
    return passes
