"""One of the onnx package's real networks with seeded random weights, and images to run it on.

The package ships AlexNet, GoogLeNet (inception_v1), Inception-v2, ResNet-50, SqueezeNet,
DenseNet-121, VGG-19, ZFNet-512 and ShuffleNet without weights.

    python examples/light.py squeezenet --out build/squeezenet
    polymap check build/squeezenet/model.onnx

It writes ``model.onnx``, ``calibration.npz`` (two images) and ``input.npz`` (one image) to --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx

from dse.files.arrays import write_arrays
from dse.files.writing import writing
from dse.onnx.randomise import randomise

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def main() -> None:
    names = sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("light_*.onnx"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=names)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = randomise(onnx.load(FOLDER / f"light_{arguments.network}.onnx"), arguments.seed)
    weights = {tensor.name for tensor in model.graph.initializer}
    (port,) = (value for value in model.graph.input if value.name not in weights)
    shape = [dim.dim_value for dim in port.type.tensor_type.shape.dim[1:]]
    rng = np.random.default_rng(arguments.seed)
    calibration, image = (
        {port.name: rng.standard_normal((count, *shape), np.float32)} for count in (2, 1)
    )
    with writing(arguments.out) as files:
        files.bytes("model.onnx", model.SerializeToString())
        for name, arrays in {"calibration.npz": calibration, "input.npz": image}.items():
            with files.open(name) as stream:
                write_arrays(stream, arrays)


if __name__ == "__main__":
    main()
