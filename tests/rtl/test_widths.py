"""One bit less in the hardware, and a layer with operands at their ends comes out wrong.

The overlay as it is computes that layer right, and the narrowed one still one that does not need
the bit: so it is the bit that is missing.  All are slow, since they take builds of their own; fast
ones, by unit: `tests/hw/winograd/test_widths.py` (the steps of the output transform),
`test_input_transform.py` (its lines), `tests/hw/conv/array/test_element.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.choices import all_choices, label
from dse.compile.compiler import compile_network
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm, LayerMapping
from hw.conv.array import foot
from hw.isa.config import OverlayConfig
from hw.isa.transforms import F2, F4, Transform, signed_bits
from hw.lib.emit import emit
from hw.lib.requantise import Requantise
from hw.overlay import Overlay
from hw.winograd import input_transform
from sim import golden
from sim.fast_overlay import TOP
from sim.runner import FastSimulation
from sim.simulation import output_tensors, run_program
from tests.rtl.operands import layer
from tests.rtl.overlays import OVERLAYS, simulation

pytestmark = pytest.mark.rtl


SAME = Window((3, 3), padding=(1, 1, 1, 1))
BASE = OverlayConfig(
    rows=2,
    columns=2,
    lanes=2,
    tensor_bytes=1 << 13,
    accumulator_depth=128,
    weight_words=256,
    parameter_depth=16,
    axi_bytes=16,
)
Image = np.ndarray[Any, np.dtype[np.int8]]


@pytest.fixture
def patched() -> Iterator[pytest.MonkeyPatch]:
    """Undone before anything else is elaborated."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def build(config: OverlayConfig) -> FastSimulation:
    """The overlay as the patched classes make it; those of the configuration alone are cached."""
    verilog = emit(Overlay(config=config), TOP, clock="ap_clk", reset="ap_rst_n")
    return FastSimulation(verilog, tensor_bytes=config.tensor_bytes)


@dataclass(frozen=True)
class Bench:
    """An overlay, and whether it computes a layer right."""

    config: OverlayConfig
    simulation: FastSimulation

    def right(self, network: Network, image: Image, choice: Choice) -> bool:
        program = compile_network(network, self.config, LayerMapping({"conv": choice}))
        (run,) = run_program(self.simulation, program, [{"x": image}])
        expected = golden.run(network, {"x": image})["y"]
        return np.array_equal(output_tensors(run, program)["y"], expected)


def constant(shape: tuple[int, int, int], value: int) -> Image:
    return np.full(shape, value, np.int8)


def kernels(cin: int, value: int) -> np.ndarray:
    """Three output channels, all weights alike."""
    return np.full((3, 3, 3, cin), value)


def choices(config: OverlayConfig, algorithm: ConvAlgorithm) -> list[Choice]:
    """Those of an algorithm."""
    return [choice for choice in all_choices(config) if choice.algorithm is algorithm]


def narrow_operands(patch: pytest.MonkeyPatch, config: OverlayConfig) -> Bench:
    """Activation words, scratch words, weights and PEs with one bit less an operand."""
    bits = config.operand_bits - 1
    patch.setattr(OverlayConfig, "operand_bits", property(lambda _: bits))
    ranges = [transform.input_range for transform in config.transforms]

    def least(*values: int) -> int:
        return min(bits, signed_bits(*values)) if values in ranges else signed_bits(*values)

    patch.setattr(input_transform, "signed_bits", least)
    return Bench(config, build(config))


def attaining(transform: Transform, channels: int) -> Image:
    """A patch for which some element of V is its least."""
    row = np.array(max(transform.input_matrix, key=lambda row: sum(map(abs, row))))
    patch = np.where(np.outer(row, row) > 0, -128, 127)
    return np.repeat(patch[..., None], channels, axis=2).astype(np.int8)


@pytest.mark.slow
def test_transformed_activations(patched: pytest.MonkeyPatch) -> None:
    """F(4,3): V takes 15 bits, U only 14."""
    assert signed_bits(-F4.weight_bound) < F4.operand_bits == signed_bits(*F4.input_range)
    image = attaining(F4, 5)
    network = layer(image.shape, kernels(5, 127), Window((3, 3)))
    exact = Bench(OVERLAYS["f4"], simulation("f4"))
    bench = narrow_operands(patched, replace(BASE, winograd="f4", scratch_words=128))
    for choice in choices(bench.config, ConvAlgorithm.WINOGRAD):
        assert exact.right(network, image, choice), label(choice)
        assert bench.right(network, image // 2, choice), label(choice)
        assert not bench.right(network, image, choice), label(choice)


@pytest.mark.slow
def test_transformed_weights(patched: pytest.MonkeyPatch) -> None:
    """F(2,3): U takes 12 bits, V only 10."""
    assert signed_bits(*F2.input_range) < F2.operand_bits == signed_bits(-F2.weight_bound)
    image = np.random.default_rng(1).integers(-128, 128, (5, 6, 5)).astype(np.int8)
    near, far = (layer(image.shape, kernels(5, weight), SAME) for weight in (113, 127))
    exact = Bench(OVERLAYS["f2"], simulation("f2"))
    bench = narrow_operands(patched, replace(BASE, winograd="f2", scratch_words=128))
    for choice in choices(bench.config, ConvAlgorithm.WINOGRAD):
        assert exact.right(far, image, choice), label(choice)
        assert bench.right(near, image, choice), label(choice)
        assert not bench.right(far, image, choice), label(choice)


@pytest.mark.slow
def test_activations_relative_to_the_zero_point(patched: pytest.MonkeyPatch) -> None:
    """kn2row: from -255 to 255, 9 bits."""
    image = constant((4, 5, 5), -128)
    near, far = (layer(image.shape, kernels(5, 127), SAME, zero_point=zero) for zero in (-1, 127))
    exact = Bench(OVERLAYS["3x4"], simulation("3x4"))
    bench = narrow_operands(patched, BASE)
    for choice in choices(bench.config, ConvAlgorithm.KN2ROW):
        assert exact.right(far, image, choice), label(choice)
        assert bench.right(near, image, choice), label(choice)
        assert not bench.right(far, image, choice), label(choice)


WIDE = replace(BASE, winograd="both", scratch_words=128, accumulator_bits=27)


def worst_sums(config: OverlayConfig) -> list[tuple[Choice, Network, Image]]:
    """Layers whose sums take all bits of WIDE, and no more.

    127 * -128 * 2304 takes 27 bits; behind the output transform, 127 * -128 * 63 takes 21.
    """
    found = []
    for choice in all_choices(config):
        winograd = choice.algorithm is ConvAlgorithm.WINOGRAD
        shape, window = ((6, 6, 7), SAME) if winograd else ((3, 3, 256), Window((3, 3)))
        network = layer(shape, kernels(shape[2], 127), window)
        found.append((choice, network, constant(shape, -128)))
    return found


def halved(image: Image) -> Image:
    """Sums of half the size take a bit less."""
    return (image // 2).astype(np.int8)


def allow_anything(patch: pytest.MonkeyPatch) -> None:
    """The compiler would refuse."""
    patch.setattr("dse.compile.layer_emission.check_accumulators", lambda *_: None)


@pytest.mark.slow
def test_accumulators(patched: pytest.MonkeyPatch) -> None:
    """Partial sums in PEs and column feet, both transforms' elements, and what follows them."""
    allow_anything(patched)
    exact, narrow = (
        Bench(config, build(config))
        for config in (WIDE, replace(WIDE, accumulator_bits=WIDE.accumulator_bits - 1))
    )
    for choice, network, image in worst_sums(WIDE):
        assert exact.right(network, image, choice), label(choice)
        assert narrow.right(network, halved(image), choice), label(choice)
        assert not narrow.right(network, image, choice), label(choice)


@pytest.mark.slow
def test_requantisation(patched: pytest.MonkeyPatch) -> None:
    """Its input alone; behind the output transform, the bias takes the sum to all bits."""

    def narrow(*, accumulator_bits: int) -> Requantise:
        return Requantise(accumulator_bits=accumulator_bits - 1)

    exact = Bench(WIDE, build(WIDE))
    patched.setattr(foot, "Requantise", narrow)
    bench = Bench(WIDE, build(WIDE))
    for choice, network, image in worst_sums(WIDE):
        bias = -60_000_000 if choice.algorithm is ConvAlgorithm.WINOGRAD else 0
        (conv,) = network.convolutions()
        weight = conv.weight.astype(np.int64)
        far, near = (layer(image.shape, weight, conv.window, bias=b) for b in (bias, bias // 2))
        assert exact.right(far, image, choice), label(choice)
        assert bench.right(near, halved(image), choice), label(choice)
        assert not bench.right(far, image, choice), label(choice)
