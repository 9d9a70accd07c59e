"""One of the onnx package's networks through the whole RTL: time of each stage, cycles by layer.

    python -m benchmarks.network squeezenet --array 16x32 --lanes 2

The package ships its networks without weights: they are drawn at random, seeded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from benchmarks.clock import Stages
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.graph import NetworkError
from dse.onnx.importer import Imported, load
from dse.onnx.randomise import randomise
from dse.process import interrupt
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import ConfigError, OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL, Timing
from sim.fast_overlay import build_overlay
from sim.simulation import Result, simulate

NETWORKS = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def imported(name: str, *, images: int, seed: int) -> tuple[Imported, dict[str, npt.NDArray]]:
    """The network, quantised, and random images."""
    model = randomise(onnx.load(NETWORKS / f"light_{name}.onnx"), seed)
    (port,) = model.graph.input
    shape = [dim.dim_value for dim in port.type.tensor_type.shape.dim[1:]]
    rng = np.random.default_rng(seed)
    drawn = [rng.standard_normal((n, *shape)).astype(np.float32) for n in (2, images)]
    calibration, inputs = ({port.name: array} for array in drawn)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        onnx.save(model, path)
        return load(path, calibration), inputs


def configuration(array: str, lanes: int, settings: Sequence[str]) -> OverlayConfig:
    """An overlay from "RxC" and further "name=value"."""
    rows, columns = map(int, array.split("x"))
    pairs = dict(setting.split("=", 1) for setting in settings)
    values = {name: int(v) if v.isdecimal() else v for name, v in pairs.items()}
    return OverlayConfig.from_json({"rows": rows, "columns": columns, "lanes": lanes, **values})


def run(
    name: str,
    config: OverlayConfig,
    *,
    images: int,
    seed: int,
    mapping: LayerMapping | None,
    timing: Timing,
) -> Result:
    """Runs a network, printing the time of each stage."""
    stages = Stages()
    with stages.stage("import and quantisation"):
        model, inputs = imported(name, images=images, seed=seed)
    with stages.stage("Verilog and its build"):
        build_overlay(config)
    with stages.stage("compilation, RTL, golden model"):
        return simulate(model, inputs, config, mapping=mapping, timing=timing)


def table(result: Result) -> str:
    """A Markdown table of the layers."""
    lines = [
        "| layer | kind | tile | dataflow | cycles | predicted | utilisation |",
        "|---|---|---|---|---|---|---|",
    ]
    for layer in result.layers:
        share = f"{layer.utilisation:.1%}" if layer.macs else ""
        kind = layer.algorithm or layer.kind
        cells = (layer.name, kind, str(layer.tile or ""), layer.dataflow, f"{layer.cycles:,}")
        lines.append(f"| {' | '.join(cells)} | {layer.predicted_cycles:,} | {share} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = sorted(path.stem.removeprefix("light_") for path in NETWORKS.glob("light_*.onnx"))
    parser.add_argument("network", choices=known)
    parser.add_argument("--array", default="16x32", help="rows x columns")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="further parameters of the overlay, such as pool_lanes=128",
    )
    parser.add_argument("--mapping", type=Path, help="mapping.json")
    parser.add_argument("--predict", action="store_true", help="cycles by the model, no RTL")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of weights and images")
    parser.add_argument("--ddr", action="store_true", help="a DDR4 channel instead of ideal memory")
    arguments = parser.parse_args()
    try:
        config = configuration(arguments.array, arguments.lanes, arguments.set)
        mapping = LayerMapping.load(arguments.mapping) if arguments.mapping else None
        timing = DDR if arguments.ddr else IDEAL
        if arguments.predict:
            model, _ = imported(arguments.network, images=0, seed=arguments.seed)
            program = compile_network(model.network, config, mapping)
            print(f"{program_cycles(program, config, timing).total:,} cycles predicted")
            return
        result = run(
            arguments.network,
            config,
            images=arguments.images,
            seed=arguments.seed,
            mapping=mapping,
            timing=timing,
        )
    except (ConfigError, NetworkError, ProgramError, ValueError) as error:
        parser.exit(2, f"{arguments.network}: {error}\n")
    print(table(result))
    print(
        f"{result.cycles:,} cycles an image, {result.macs:,} multiply-accumulates, utilisation "
        f"{result.utilisation:.1%}; {result.mismatches} mismatches in "
        f"{len(result.compared_tensors)} tensors of {result.images} image(s)"
    )


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "network"))
