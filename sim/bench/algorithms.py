"""Every algorithm and dataflow on one array, in RTL: cycles of a layer, or of a whole network.

python -m sim.bench.algorithms layer
python -m sim.bench.algorithms network MODEL --input X.npz [--calibration X.npz]

A network runs with every convolution forced to each choice in turn, where it is legal (strided or
dilated convolutions and 1 x 1 kernels keep im2col under Winograd), and once with a mixed mapping.
Every output byte and every intermediate tensor is compared with the golden model.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.network.graph import Conv, Network, Quantisation, Tensor, Window
from dse.network.importer import load
from dse.network.inputs import images, read_arrays, read_inputs
from dse.program.compile import compile_network
from dse.program.mapping import LayerMapping
from hw.config import OverlayConfig
from sim import golden
from sim.fast.overlay import build_overlay
from sim.simulate import compare, layer_results, output_tensors, run_program, tensors

CONFIG = OverlayConfig(
    rows=8,
    columns=16,
    lanes=2,
    tensor_bytes=1 << 21,
    accumulator_depth=1024,
    weight_words=8192,
    parameter_depth=2048,
    winograd="both",
    scratch_words=4096,
)
Choice = dict[str, Any]
CHOICES: dict[str, Choice] = {
    **{
        f"{algorithm} {dataflow}": {"algorithm": algorithm, "dataflow": dataflow}
        for algorithm in ("im2col", "kn2row")
        for dataflow in ("WS", "IS", "NS")
    },
    **{
        f"F({m},3) {dataflow}": {"algorithm": "winograd", "tile": m, "dataflow": dataflow}
        for m in (2, 4)
        for dataflow in ("WS", "IS")
    },
}


def legal(conv: Conv, choice: Choice) -> Choice:
    """The choice, or im2col in the same dataflow where Winograd is not legal or has no use."""
    window = conv.window
    plain = window.kernel == (1, 1) or (*window.stride, *window.dilation) != (1, 1, 1, 1)
    if choice["algorithm"] == "winograd" and plain:
        return {"algorithm": "im2col", "dataflow": choice["dataflow"]}
    return choice


def mappings(network: Network) -> dict[str, LayerMapping]:
    """One mapping for each choice, and a mixed one that takes them in turn."""
    convs = list(network.convolutions())
    found = {
        name: LayerMapping.from_json({"layers": {c.name: legal(c, choice) for c in convs}})
        for name, choice in CHOICES.items()
    }
    turns = zip(convs, cycle(CHOICES.values()))
    mixed = {conv.name: legal(conv, choice) for conv, choice in turns}
    found["mixed"] = LayerMapping.from_json({"layers": mixed})
    return found


def layer_network() -> Network:
    """3 x 3, 64 to 64 channels, 56 x 56 pixels, padding 1, seeded random weights."""
    rng = np.random.default_rng(0)
    conv = Conv(
        "layer",
        "x",
        "y",
        rng.integers(-127, 128, (64, 3, 3, 64)).astype(np.int8),
        np.full(64, 0.0004),
        rng.integers(-900, 900, 64).astype(np.int32),
        Window((3, 3), padding=(1, 1, 1, 1)),
    )
    tensors = {
        "x": Tensor("x", 56, 56, 64, Quantisation(0.05, 3)),
        "y": Tensor("y", 56, 56, 64, Quantisation(0.05, -5)),
    }
    return Network("layer", tensors, (conv,), ("x",), ("y",))


def measure(
    network: Network, inputs: Mapping[str, npt.NDArray[np.int8]], config: OverlayConfig
) -> list[Choice]:
    """Cycles and mismatches of each mapping on one image."""
    simulation = build_overlay(config)
    expected = golden.run(network, inputs)
    rows = []
    for name, mapping in mappings(network).items():
        program = compile_network(network, config, mapping)
        places = program.manifest.tensors
        observed = [place for place in places if place.memory == "tensor"]
        (run,) = run_program(simulation, program, [inputs], observed=observed)
        found = {**tensors(run, observed), **output_tensors(run, program)}
        wanted = [place.name for place in observed if place.name in expected]
        wrong = compare(expected, found, [*wanted, *network.outputs])
        layers = [layer for layer in layer_results(run, program, config) if layer.kind == "conv"]
        row = {
            "choice": name,
            "cycles": run.cycles,
            "mismatches": sum(wrong.values()),
            "layers": {layer.name: layer.cycles for layer in layers},
        }
        print(f"{name:<12}{row['cycles']:>12,}{row['mismatches']:>4} mismatches", file=sys.stderr)
        rows.append(row)
    return rows


def table(rows: list[Choice]) -> str:
    """The cycles as a Markdown table, a row a layer."""
    names = [row["choice"] for row in rows]
    lines = ["| layer | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for layer in rows[0]["layers"]:
        cells = [f"{row['layers'].get(layer, 0):,}" for row in rows]
        lines.append(f"| {layer} | " + " | ".join(cells) + " |")
    lines.append("| **image** | " + " | ".join(f"**{row['cycles']:,}**" for row in rows) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("layer")
    whole = commands.add_parser("network")
    whole.add_argument("model", type=Path)
    whole.add_argument("--input", type=Path, required=True)
    whole.add_argument("--calibration", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "layer":
        network = layer_network()
        rng = np.random.default_rng(1)
        shape = network.tensors["x"].shape
        inputs = {"x": rng.integers(-128, 128, shape).astype(np.int8)}
    else:
        calibration = arguments.calibration and read_arrays(arguments.calibration)
        imported = load(arguments.model, calibration)
        network = imported.network
        batch = read_inputs(arguments.input, imported.host.inputs)
        inputs = dict(imported.host.before(next(iter(images(batch)))))
    rows = measure(network, inputs, CONFIG)
    print(json.dumps(rows, indent=1) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
