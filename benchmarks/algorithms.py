"""Every algorithm and dataflow on one array, in RTL: cycles of a layer, or of a whole network.

    python -m benchmarks.algorithms layer
    python -m benchmarks.algorithms --array 16x32 network squeezenet
    python -m benchmarks.algorithms network MODEL.onnx --input X.npz [--calibration X.npz]

A network runs with every convolution forced to each choice in turn where it is legal, else to
im2col in the same dataflow; once with a mixed mapping that takes the choices in turn; and once with
the choice of each layer that was fastest before.  Every output byte and every intermediate tensor
on chip is compared with the golden model.  Cells are measured cycles / cycles of DYNAMAP's formulas
(``dse.cost.dynamap``) on an array of as many multipliers, P1 x P2 = (lanes R) x C.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.choices import all_choices, fallback, label
from benchmarks.network import NETWORKS, imported
from dse.compile.compiler import compile_network
from dse.cost.cost_model import Label
from dse.cost.dynamap import DATAFLOWS, WINOGRAD, Dynamap
from dse.cost.gemm import gemm_cycles
from dse.cycles.whole_program import program_cycles
from dse.files.writing import write
from dse.network.conv_shape import ConvShape
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from dse.network.inputs import images, read_arrays, read_inputs
from dse.onnx.importer import Imported, load
from dse.process import interrupt
from dse.tiling.layer_mapping import Choice, ConvAlgorithm, LayerMapping
from dse.tiling.legality import transforms_taps
from dse.tiling.tile_form import tile_forms
from hw.isa.config import OverlayConfig
from sim import golden
from sim.fast_overlay import build_overlay
from sim.layer_results import layer_results
from sim.runner import FastSimulation
from sim.simulation import compare, output_tensors, run_program, tensors

CONFIG = OverlayConfig(
    rows=8,
    columns=16,
    lanes=2,
    tensor_bytes=1 << 22,
    accumulator_depth=1024,
    weight_words=8192,
    parameter_depth=2048,
    winograd="both",
    scratch_words=4096,
)
MIXED, FASTEST = "mixed", "fastest"
Image = Mapping[str, npt.NDArray[np.int8]]


@dataclass(frozen=True)
class Measured:
    """One mapping on one image: ``cycles`` from start to done, ``layers`` those of convolutions."""

    cycles: int
    mismatches: int
    layers: Mapping[str, int]


def mappings(network: Network, config: OverlayConfig) -> dict[str, LayerMapping]:
    """One mapping for each choice, and a mixed one that takes them in turn."""
    convs = list(network.convolutions())

    def mapping(turns: list[Choice]) -> LayerMapping:
        pairs = zip(convs, cycle(turns), strict=False)
        return LayerMapping({c.name: fallback(network, c, turn, config) for c, turn in pairs})

    choices = all_choices(config)
    return {**{label(one): mapping([one]) for one in choices}, MIXED: mapping(choices)}


def measure(
    network: Network,
    image: Image,
    mapping: LayerMapping,
    simulation: FastSimulation,
    config: OverlayConfig,
) -> Measured:
    """Cycles, and bytes that differ from the golden model's."""
    program = compile_network(network, config, mapping)
    observed = [place for place in program.manifest.tensors if place.memory == "tensor"]
    (run,) = run_program(simulation, program, [image], observed=observed)
    expected = golden.run(network, image)
    found = {**tensors(run, observed), **output_tensors(run, program)}
    wanted = [place.name for place in observed if place.name in expected]
    wrong = compare(expected, found, [*wanted, *network.outputs])
    foretold = program_cycles(program, config)
    found_layers = layer_results(run, foretold, program, config)
    layers = [layer for layer in found_layers if layer.kind == "conv"]
    return Measured(run.cycles, sum(wrong.values()), {one.name: one.cycles for one in layers})


def formula(conv: ConvShape, choice: Choice, config: OverlayConfig) -> int:
    """DYNAMAP's cycles of a layer, without fill and memory; of Winograd along a line as well.

    Along a line, a product of matrices for each element of a transformed tile and each round; the
    other axis' taps are part of the reduction where they are a run, else rounds, too.
    """
    assert choice.dataflow is not None
    array = np.array([[config.reduction, config.columns]])
    algorithm = choice.algorithm.value
    if choice.algorithm is ConvAlgorithm.WINOGRAD:
        (form,) = (one for one in tile_forms(config.transforms) if one.tile == choice.tile)
        if form.line:
            axis, (taps, others) = form.transform.y, form.own(conv.kernel)
            along, across = form.own((conv.o1, conv.o2))
            products = axis.alpha * -(-taps // axis.taps) * (1 if form.runs else others)
            tiles = -(-along // axis.m) * across
            depth = conv.cin * (others if form.runs else 1)
            flow = DATAFLOWS.index(choice.dataflow.name)
            return int(products * gemm_cycles(tiles, depth, conv.cout, array)[0, flow])
        (algorithm,) = (name for name, m in WINOGRAD.items() if m == choice.tile)
    return int(Dynamap().cycles(conv, [Label(algorithm, choice.dataflow.name)], array)[0, 0])


def layer_network(size: int, cin: int, cout: int, kernel: tuple[int, int]) -> Network:
    """A layer of square images, "same" padding, seeded random weights."""
    rng = np.random.default_rng(0)
    y, x = (taps // 2 for taps in kernel)
    conv = Conv(
        "layer",
        "x",
        "y",
        Window(kernel, padding=(y, x, y, x)),
        numbers=Numbers(
            rng.integers(-127, 128, (cout, *kernel, cin)).astype(np.int8),
            np.full(cout, 0.0004),
            rng.integers(-900, 900, cout).astype(np.int32),
        ),
    )
    tensors = {
        "x": Tensor("x", size, size, cin, Quantisation(0.05, 3)),
        "y": Tensor("y", size, size, cout, Quantisation(0.05, -5)),
    }
    return Network("layer", tensors, (conv,), ("x",), ("y",))


LAYERS = ((56, 64, 64, (3, 3)), (17, 192, 224, (1, 7)))
"""Size, channels and kernel of the layers that all algorithms compute."""


def bench_layer(config: OverlayConfig, network: Network) -> str:
    """A Markdown table of the choices; other algorithms also on the same array without Winograd."""
    (shape,) = map(network.conv_shape, network.convolutions())
    image = {"x": np.random.default_rng(1).integers(-128, 128, shape.input).astype(np.int8)}
    plain = replace(config, winograd="none", scratch_words=0)
    choices = {one: able(shape, one) for one in (config, plain)}
    cycles: dict[OverlayConfig, dict[Choice, Measured]] = {}
    for one in (config, plain):
        simulation = build_overlay(one)
        cycles[one] = {
            choice: measure(network, image, LayerMapping({"layer": choice}), simulation, one)
            for choice in choices[one]
        }
    lines = [
        "| choice | cycles | of im2col | without Winograd | formula | mismatches |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for choice, found in cycles[config].items():
        reference = cycles[config][Choice(choice.dataflow)].cycles
        other = cycles[plain].get(choice)
        wrong = found.mismatches + (other.mismatches if other else 0)
        cells = (
            label(choice),
            f"{found.cycles:,}",
            f"1 / {reference / found.cycles:.2f}",
            f"{other.cycles:,}" if other else "",
            f"{formula(shape, choice, config):,}",
            f"{wrong}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def able(shape: ConvShape, config: OverlayConfig) -> list[Choice]:
    """The choices that can compute a layer and have something to transform."""
    forms = {form.tile: form for form in tile_forms(config.transforms)}
    return [
        one
        for one in all_choices(config)
        if one.tile is None or transforms_taps(shape, forms[one.tile])
    ]


def bench_network(network: Network, image: Image, config: OverlayConfig, out: Path | None) -> str:
    """A Markdown table of the layers by mapping; ``out``: also as JSON, after every mapping."""
    simulation = build_overlay(config)
    forced = mappings(network, config)
    found: dict[str, Measured] = {}

    def run(name: str) -> None:
        found[name] = one = measure(network, image, forced[name], simulation, config)
        print(f"{name:<12}{one.cycles:>12,}{one.mismatches:>4} mismatches", file=sys.stderr)
        if out is not None:
            write(out, json.dumps({name: asdict(one) for name, one in found.items()}) + "\n")

    for name in list(forced):
        run(name)
    forced[FASTEST] = fastest(forced, found)
    run(FASTEST)
    return table(network, config, forced, found)


def fastest(forced: Mapping[str, LayerMapping], found: Mapping[str, Measured]) -> LayerMapping:
    """Each layer's choice in the mapping in which it took the fewest cycles."""
    chosen = {}
    for layer in found[MIXED].layers:
        name = min(found, key=lambda name: found[name].layers[layer])
        chosen[layer] = forced[name].choice(layer)
    return LayerMapping(chosen)


def table(
    network: Network,
    config: OverlayConfig,
    forced: Mapping[str, LayerMapping],
    found: Mapping[str, Measured],
) -> str:
    """Measured cycles / formula, and the choice where it is not the column's own."""
    rows = [["layer", *found], ["---", *("---:" for _ in found)]]
    for node in network.convolutions():
        conv, cells = network.conv_shape(node), []
        for name, one in found.items():
            choice = forced[name].choice(node.name)
            cell = f"{one.layers[node.name]:,} / {formula(conv, choice, config):,}"
            cells.append(f"{cell} {label(choice)}" if label(choice) != name else cell)
        kernel = f"{conv.kernel[0]} x {conv.kernel[1]}"
        rows.append([f"{node.name}, {kernel}, {conv.cin} to {conv.cout}", *cells])
    rows.append(["**image**", *(f"**{one.cycles:,}**" for one in found.values())])
    rows.append(["mismatches", *(f"{one.mismatches}" for one in found.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read_model(arguments: argparse.Namespace) -> tuple[Imported, Mapping[str, npt.NDArray]]:
    """A light model by name with random weights and images, or a model's file with its images."""
    if arguments.input is None:
        return imported(arguments.model, images=1, seed=arguments.seed)
    calibration = arguments.calibration and read_arrays(arguments.calibration)
    model = load(Path(arguments.model), calibration)
    return model, read_inputs(arguments.input, model.host.inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--array", default=f"{CONFIG.rows}x{CONFIG.columns}", help="rows x columns")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("layer")
    whole = commands.add_parser("network")
    whole.add_argument("model", help=f"a file, or one of {NETWORKS}/light_*.onnx by name")
    whole.add_argument("--input", type=Path, help="images for a file; the first one is taken")
    whole.add_argument("--calibration", type=Path)
    whole.add_argument("--seed", type=int, default=1, help="of random weights and images")
    whole.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    rows, columns = map(int, arguments.array.split("x"))
    config = replace(CONFIG, rows=rows, columns=columns)
    if arguments.command == "layer":
        for size, cin, cout, kernel in LAYERS:
            print(f"{kernel[0]} x {kernel[1]}, {cin} to {cout} channels, {size} x {size} pixels\n")
            network = layer_network(size, cin, cout, kernel)
            print(bench_layer(replace(config, winograd="all"), network), flush=True)
            print()
        return
    model, batch = read_model(arguments)
    image = model.host.before(next(iter(images(batch))))
    print(bench_network(model.network, image, config, arguments.json))


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "algorithms"))
