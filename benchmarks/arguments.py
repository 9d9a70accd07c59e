"""What benchmarks of explorations are asked: networks, a device and an array."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dse.explore.subject import shapes_of, subject
from dse.network.graph import Network
from dse.network.prune import without_dense
from polymap.api.command_line import parse_array


def explored(
    module: str, description: str | None, models: Sequence[str]
) -> argparse.ArgumentParser:
    """The parser of a module; ``models``: its networks by default."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    parser.add_argument("models", nargs="*", default=list(models))
    parser.add_argument("--bare", action="store_true", help="the device, not what a card leaves")
    parser.add_argument("--array", type=parse_array, help="rows and columns, such as 48x128")
    return parser


def convolutional(model: str) -> Network:
    """The outline of a benchmark or an ONNX file, without fully connected layers."""
    return without_dense(shapes_of(subject(model)))


def line(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
