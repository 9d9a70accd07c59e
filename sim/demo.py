"""The demo: the digits network on a small overlay, every test image classified in RTL."""

from __future__ import annotations

from dse.process import interrupt

if __name__ == "__main__":
    interrupt.watch("demo")  # the rest takes a while to import

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from dse.network.graph import NetworkError
from dse.network.inputs import LABELS, read_arrays
from dse.onnx.importer import load
from dse.process.progress import Progress
from hw.isa.config import OverlayConfig
from sim.runner import SimulationError
from sim.simulation import RESULT_FILE, Result, simulate
from sim.verilator import ToolError

NAME = "demo"
EXAMPLE = Path(__file__).parents[1] / "examples" / "digits"
CONFIG = OverlayConfig(
    rows=8,
    columns=8,
    lanes=2,
    tensor_bytes=1 << 16,
    accumulator_depth=256,
    weight_words=1024,
    parameter_depth=512,
    axi_bytes=16,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 0 if the RTL agrees with the golden model in every byte."""
    parser = argparse.ArgumentParser(description="Classify handwritten digits in RTL.")
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="for the results")
    folder: Path = parser.parse_args(arguments).out
    started = time.monotonic()
    model = EXAMPLE / "digits.onnx"
    images = read_arrays(EXAMPLE / "test_images.npz")
    labels = images.pop(LABELS)
    note("quantising the float model with onnxruntime")
    imported = load(model, read_arrays(EXAMPLE / "calibration.npz"))
    size = f"{CONFIG.rows} x {CONFIG.columns} array with {CONFIG.lanes} lanes"
    note(f"compiling, building the RTL of a {size} and classifying {len(labels)} images in it")
    with Progress(NAME) as progress:
        progress.stage("building")
        result = simulate(
            imported,
            images,
            CONFIG,
            progress=lambda done, total: progress.share("classifying", done, total),
        )
    summary = {
        "images": result.images,
        "accuracy_float": accuracy(float_scores(model, images), labels),
        "accuracy_rtl": accuracy(next(iter(result.outputs.values())), labels),
        "mismatches": result.mismatches,
        "cycles_per_image": float(np.mean(result.cycles_per_image)),
        "utilisation": result.utilisation,
        "seconds": round(time.monotonic() - started, 1),
    }
    result.save(folder, summary)
    report(summary, result, folder / RESULT_FILE)
    return 1 if result.mismatches else 0


def run() -> int:
    """The program: what keeps it from running is one line."""
    try:
        return main()
    except (OSError, NetworkError, SimulationError, ToolError) as error:
        note(" ".join(str(error).split()))
        return 1


def note(text: str) -> None:
    """One line of progress."""
    print(f"{NAME}: {text}", file=sys.stderr)


def float_scores(model: Path, images: dict[str, npt.NDArray]) -> npt.NDArray:
    """The float model's first output for each image."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    count = len(next(iter(images.values())))
    rows = [
        session.run(None, {name: array[i : i + 1] for name, array in images.items()})[0]
        for i in range(count)
    ]
    return np.concatenate(rows)


def accuracy(scores: npt.NDArray, labels: npt.NDArray) -> float:
    """Share of the images whose highest score is at their label."""
    return float(np.mean(scores.reshape(len(labels), -1).argmax(axis=1) == labels))


def report(summary: dict[str, float], result: Result, path: Path) -> None:
    """What a reader wants to know, on stdout."""
    print(f"{'layer':26}{'dataflow':>9}{'cycles':>9}{'utilisation':>13}")
    for layer in result.layers:
        share = f"{layer.utilisation:.1%}" if layer.macs else ""
        print(f"{layer.name:26}{layer.dataflow or layer.kind:>9}{layer.cycles:>9}{share:>13}")
    print(
        f"{summary['images']} images: accuracy {summary['accuracy_rtl']:.1%} in RTL, "
        f"{summary['accuracy_float']:.1%} in float; {summary['mismatches']} bytes of "
        f"{len(result.compared_tensors)} tensors differ from the golden model; "
        f"{summary['cycles_per_image']:.0f} cycles an image, "
        f"utilisation {summary['utilisation']:.1%}"
    )
    print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(interrupt.command(run, NAME))
