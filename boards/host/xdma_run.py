"""Runs a compiled program on a KCU1500, through the XDMA driver.

``python -m boards.host.xdma_run program/ inputs.npz outputs.npz``

inputs.npz holds the network's inputs as the overlay takes them: by name, int8, [image, H, W, C]; of
a model of several segments, between which the host works, the model's own inputs, batch axis first.
"""

from __future__ import annotations

from dse.process import interrupt

if __name__ == "__main__":
    interrupt.watch("xdma_run")  # the rest takes a while to import

import argparse
import sys
from pathlib import Path

from boards.host import command
from boards.host.host_task import HostTask
from boards.runtime.xdma_link import DEVICE, XdmaLink


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="folder of program.bin, weights.bin, manifest.json")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--device", type=Path, default=DEVICE, help="path without _user and _h2c_0")
    options = parser.parse_args()
    task = HostTask.read(Path(options.program), options.inputs)
    with XdmaLink(options.device) as card:
        task.run(card, options.outputs)


if __name__ == "__main__":
    sys.exit(command.run(main, "xdma_run"))
