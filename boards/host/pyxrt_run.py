"""Runs a compiled program on an Alveo card, through XRT's Python binding.

``python -m boards.host.pyxrt_run polymap.xclbin program/ inputs.npz outputs.npz``

inputs.npz holds the network's inputs as the overlay takes them: by name, int8, [image, H, W, C]; of
a model of several segments, between which the host works, the model's own inputs, batch axis first.
"""

from __future__ import annotations

from dse.process import interrupt

if __name__ == "__main__":
    interrupt.watch("pyxrt_run")  # the rest takes a while to import

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from boards.host import command
from boards.host.host_task import HostTask
from boards.runtime.link import HostError
from boards.runtime.xrt_link import XrtLink


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("xclbin")
    parser.add_argument("program", help="folder of program.bin, weights.bin, manifest.json")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--device", type=int, default=0)
    options = parser.parse_args()
    pyxrt = _binding()
    task = HostTask.read(Path(options.program), options.inputs)
    Path(options.xclbin).open("rb").close()  # XRT's own message does not say why it cannot
    card = XrtLink(pyxrt, options.xclbin, device=options.device)
    task.run(card, options.outputs)


def _binding() -> Any:
    try:
        return importlib.import_module("pyxrt")  # of the XRT installation, not a package
    except ImportError as error:
        raise HostError(
            f"XRT's Python binding is missing ({error}): source setup.sh of XRT, usually "
            "/opt/xilinx/xrt/setup.sh"
        ) from error


if __name__ == "__main__":
    sys.exit(command.run(main, "pyxrt_run"))
