"""The card Alveo U250 as a platform of Amaranth.

``python -m boards.u250 --out build/u250`` writes the projects of a blinky and a memory test.
"""

from __future__ import annotations

import sys

from boards.platforms.alveo import AlveoPlatform
from boards.platforms.projects import main


class AlveoU250Platform(AlveoPlatform):
    """The card."""

    device = "xcu250"
    package = "figd2104"
    speed = "2L-e"


if __name__ == "__main__":
    sys.exit(main(AlveoU250Platform(), "u250"))
