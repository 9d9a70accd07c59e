"""Models end to end in RTL, one a line: cycles, predicted ones, and bytes that are others.

    python -m benchmarks.whole MODEL.onnx ... --array 8x16 --lanes 2

Every tensor that can be observed is compared with the golden model's.  Models without weights get
random ones; each is quantised, and run, on one image of noise, or with ``--text`` of a drawn line.
``--batch`` puts as many into one run, the further ones moved by some columns.
``--shape`` sets the free axes of all models that have that input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.network import configuration
from benchmarks.subjects import Subject, own_shapes
from benchmarks.text import text_images
from dse.explore.memories import fit
from dse.process import interrupt
from hw.isa.config import OverlayConfig
from hw.isa.errors import PolymapError
from polymap.api.command_line import parse_shapes
from sim.simulation import simulate

_COLUMNS = (
    *("network", "image", "batch", "segments", "layers", "cycles", "predicted"),
    *("mismatches", "bytes", "near"),
)
HEADER = f"| {' | '.join(_COLUMNS)} |\n|---|---|{'---:|' * (len(_COLUMNS) - 2)}"


@dataclass(frozen=True, kw_only=True)
class WholeRun:
    """A model in RTL.

    Members
    -------
    compared : bytes of all tensors that were compared with the golden model's ("bytes").
    correlation : ("near") of the outputs with float, the least.
    """

    name: str
    image: tuple[int, ...]
    batch: int
    segments: int
    layers: int
    cycles: int
    predicted: int
    mismatches: int
    compared: int
    correlation: float

    @property
    def kept(self) -> bool:
        """Whether every byte is the golden model's, and every cycle was foretold."""
        return self.mismatches == 0 and self.cycles == self.predicted

    def __str__(self) -> str:
        counts = (self.batch, self.segments, self.layers, self.cycles, self.predicted)
        numbers = (f"{number:,}" for number in (*counts, self.mismatches, self.compared))
        size = " x ".join(map(str, self.image))
        return f"| {' | '.join([self.name, size, *numbers, f'{self.correlation:.4f}'])} |"


def run(subject: Subject, asked: OverlayConfig, batch: int = 1) -> WholeRun:
    """Run a model in RTL, on an overlay with memories that are large enough."""
    config = fit(subject.model, asked, batch=batch)
    images = {
        name: np.concatenate([np.roll(image, 3 * k, axis=-1) for k in range(batch)])
        for name, image in subject.image.items()
    }
    result = simulate(subject.model, images, config, batch=batch)
    first = {name: array[:1] for name, array in result.outputs.items()}
    tensors = subject.model.network.tensors
    return WholeRun(
        name=subject.name,
        image=next(iter(subject.image.values())).shape[1:],
        batch=batch,
        segments=len(subject.model.segments),
        layers=len(result.layers),
        cycles=result.cycles,
        predicted=result.predicted_cycles,
        mismatches=result.mismatches,
        compared=batch * sum(int(np.prod(tensors[name].shape)) for name in result.compared_tensors),
        correlation=subject.correlation(first),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--array", default="8x16", help="rows x columns")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters")
    parser.add_argument("--shape", action="append", metavar="NAME:1,3,64,96")
    parser.add_argument("--text", help="drawn on the image; needs --shape")
    parser.add_argument("--batch", type=int, default=1, help="images of a run")
    parser.add_argument("--seed", type=int, default=1, help="of weights and noise")
    options = parser.parse_args(argv)
    kept = True
    try:
        config = configuration(options.array, options.lanes, options.set)
        shapes = parse_shapes(options.shape)
        print(HEADER, flush=True)
        for path in options.models:
            own = own_shapes(path, shapes)
            subject = Subject.of(path, own, options.seed, text_images(options.text, own))
            one = run(subject, config, options.batch)
            print(one, flush=True)
            kept &= one.kept
    except (PolymapError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "whole"))
