"""Runs a compiled program on a KCU1500, through the XDMA driver.

``python -m boards.host.xdma_run program/ inputs.npz outputs.npz``

inputs.npz holds the network's inputs as the overlay takes them: by name, int8, [image, H, W, C].
"""

from __future__ import annotations

from dse.process import interrupt

if __name__ == "__main__":
    interrupt.watch("xdma_run")  # the rest takes a while to import

import argparse
import sys
from pathlib import Path

from boards.host import command
from boards.host.image_batch import load_images, save_outputs
from boards.runtime.runtime import run_images
from boards.runtime.xdma_link import DEVICE, XdmaLink
from dse.assembly.program import Program


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="folder of program.bin, weights.bin, manifest.json")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--device", type=Path, default=DEVICE, help="path without _user and _h2c_0")
    options = parser.parse_args()
    program = Program.load(Path(options.program))
    images = load_images(options.inputs, program.manifest.inputs)
    with XdmaLink(options.device) as card:
        save_outputs(options.outputs, run_images(card, program, images))


if __name__ == "__main__":
    sys.exit(command.run(main, "xdma_run"))
