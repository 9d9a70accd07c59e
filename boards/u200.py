"""The card Alveo U200 as a platform of Amaranth.

``python -m boards.u200 --out build/u200`` writes the projects of a blinky and a memory test.
"""

from __future__ import annotations

import sys

from boards.platforms.alveo import AlveoPlatform
from boards.platforms.projects import main


class AlveoU200Platform(AlveoPlatform):
    """The card."""

    device = "xcu200"
    package = "fsgd2104"
    speed = "2-e"


if __name__ == "__main__":
    sys.exit(main(AlveoU200Platform(), "u200"))
