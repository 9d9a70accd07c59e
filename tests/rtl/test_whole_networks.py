"""Real networks end to end in RTL: no mismatch, and as many cycles as predicted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from benchmarks.choices import all_choices, fallback
from benchmarks.network import imported
from benchmarks.subjects import Subject
from benchmarks.whole import run
from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Network
from dse.network.inputs import read_arrays
from dse.onnx.importer import Imported, load
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL
from sim.simulation import simulate
from tests.dse.network.conftest import Builder

pytestmark = pytest.mark.rtl


DIGITS = Path(__file__).parents[2] / "examples" / "digits"
SMALL = OverlayConfig(
    rows=8,
    columns=12,
    tensor_bytes=1 << 16,
    weight_words=2048,
    winograd="both",
    scratch_words=1024,
)
LARGE = OverlayConfig(
    rows=16,
    columns=32,
    tensor_bytes=1 << 22,
    tensor_copies=2,
    winograd="both",
    scratch_words=4096,
    accumulator_depth=2048,
    pool_lanes=64,
)
Images = dict[str, npt.NDArray[np.float32]]


def digits() -> tuple[Imported, Images]:
    model = load(DIGITS / "digits.onnx", read_arrays(DIGITS / "calibration.npz"))
    images = read_arrays(DIGITS / "test_images.npz")
    names = [port.name for port in model.host.inputs]
    return model, {name: images[name][:1] for name in names}


def mixed(network: Network, config: OverlayConfig) -> LayerMapping:
    """All choices in turn, Winograd first."""
    turns = zip(network.convolutions(), cycle(reversed(all_choices(config))), strict=False)
    choices: dict[str, Choice] = {
        conv.name: fallback(network, conv, choice, config) for conv, choice in turns
    }
    return LayerMapping(choices)


def check(model: Imported, images: Images, config: OverlayConfig) -> None:
    network = model.network
    mapping = mixed(network, config)
    program = compile_network(network, config, mapping)
    result = simulate(model, images, config, mapping=mapping)
    assert result.mismatches == 0
    assert (
        len({(layer.algorithm, layer.tile) for layer in result.layers if layer.kind == "conv"}) == 4
    )
    assert result.cycles == program_cycles(program, config, IDEAL).total


@pytest.mark.slow
def test_the_demo_network() -> None:
    check(*digits(), SMALL)


@pytest.mark.slow
def test_squeezenet() -> None:
    check(*imported("squeezenet", images=1, seed=1), LARGE)


@pytest.mark.slow
def test_the_demo_network_with_slow_memory_is_within_two_percent() -> None:
    model, images = digits()
    mapping = mixed(model.network, SMALL)
    predicted = program_cycles(compile_network(model.network, SMALL, mapping), SMALL, DDR)
    measured = simulate(model, images, SMALL, mapping=mapping, timing=DDR).cycles
    assert measured == pytest.approx(predicted.total, rel=0.02)


def bottleneck(b: Builder, x: str, name: str, channels: int, wide: int) -> str:
    """As MobileNet-v3 has it: widened, seen channel by channel, gated, narrowed, added."""
    y = b.node("HardSwish", [b.conv(x, f"{name}.wide", wide, channels, 1)], f"{name}.a")
    y = b.conv(y, f"{name}.deep", wide, 1, 3, group=wide, pads=[1] * 4)
    y = b.node("HardSwish", [y], f"{name}.b")
    gate = b.relu(b.conv(b.node("GlobalAveragePool", [y], f"{name}.mean"), f"{name}.c", 4, wide, 1))
    gate = b.node("HardSigmoid", [b.conv(gate, f"{name}.d", wide, 4, 1)], f"{name}.gate")
    y = b.node("Mul", [y, gate], f"{name}.gated")
    return b.node("Add", [x, b.conv(y, f"{name}.narrow", channels, wide, 1)], f"{name}.sum")


def gated(b: Builder) -> str:
    stem = b.conv(b.input(3, 24, 20), "stem", 8, 3, 3, strides=[2, 2], pads=[1] * 4)
    x = b.node("HardSwish", [stem], "act")
    for number in range(2):
        x = bottleneck(b, x, f"block{number}", 8, 20)
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x], "mean")], "flat")
    return b.node("Gemm", [x, b.weight("fc.w", 10, 8)], "fc", transB=1)


def faces(b: Builder) -> str:
    """MTCNN's first network: slopes for each channel, and a pooling that rounds up."""
    x = b.input(3, 24, 18)
    for name, cout, cin, pooled in (("a", 10, 3, True), ("b", 16, 10, False), ("c", 32, 16, False)):
        slopes = b.constant(f"{name}.s", b.rng.uniform(-0.2, 0.4, (cout, 1, 1)).astype(np.float32))
        x = b.node("PRelu", [b.conv(x, name, cout, cin, 3), slopes], f"{name}.p")
        if pooled:
            x = b.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    return b.node("Softmax", [b.conv(x, "face", 2, 32, 1)], "share", axis=1)


def normalised(b: Builder) -> str:
    """AlexNet, with a fraction of its channels and pixels."""
    layers = (
        (24, 3, 11, 4, 0, 1),
        (32, 12, 5, 1, 2, 2),
        (24, 32, 3, 1, 1, 1),
        (16, 12, 3, 1, 1, 2),
    )
    x = b.input(3, 67, 67)
    for number, (cout, cin, kernel, stride, pad, groups) in enumerate(layers):
        options = {"strides": [stride] * 2, "pads": [pad] * 4, "group": groups}
        x = b.relu(b.conv(x, f"conv{number}", cout, cin, kernel, **options))
        if number < 2:
            x = b.node("LRN", [x], f"norm{number}", alpha=1e-2, beta=0.75, size=5)
            x = b.node("MaxPool", [x], f"pool{number}", kernel_shape=[3, 3], strides=[2, 2])
    x = b.node("Flatten", [x], "flat")
    for number, (cin, cout) in enumerate(((144, 40), (40, 20))):
        operands = [x, b.weight(f"fc{number}.w", cout, cin), b.weight(f"fc{number}.b", cout)]
        x = b.node("Gemm", operands, f"fc{number}", transB=1)
        x = b.node("Softmax", [x], "share", axis=1) if number else b.relu(x)
    return x


@pytest.mark.slow
@pytest.mark.parametrize("build", [gated, faces, normalised])
def test_networks_with_gates_tables_slopes_and_normalisation(
    tmp_path: Path, build: Callable
) -> None:
    b = Builder(3)
    onnx.save(b.model(build(b)), tmp_path / "drawn.onnx")
    found = run(Subject.of(tmp_path / "drawn.onnx"), SMALL)
    assert found.segments == 1 and found.kept
    assert found.correlation > 0.99
