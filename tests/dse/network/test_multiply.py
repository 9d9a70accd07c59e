"""Products of two tensors in ONNX models: gates, equal shapes, and shapes that are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Combine, NetworkError
from dse.network.numbers import without_numbers
from dse.onnx.importer import check, load
from hw.isa import Opcode
from hw.isa.config import OverlayConfig
from tests.kit.answers import off
from tests.rtl.test_products import excited
from tests.sim.test_functional import SMALL, branchy


def squeeze_and_excite(builder, gate_first: bool) -> onnx.ModelProto:
    b = builder
    x = b.relu(b.conv(b.input(3, 9, 8), "stem", 8, 3, 3))
    gate = b.node("GlobalAveragePool", [x], "squeeze")
    gate = b.relu(b.conv(gate, "reduce", 4, 8, 1))
    gate = b.node("HardSigmoid", [b.conv(gate, "expand", 8, 4, 1)], "gate")
    x = b.node("Mul", [gate, x] if gate_first else [x, gate], "excite")
    return b.model(b.conv(x, "project", 5, 8, 1))


@pytest.mark.parametrize("gate_first", [False, True])
def test_squeeze_and_excite_in_float(builder, tmp_path, gate_first: bool) -> None:
    images = {"x": np.random.default_rng(1).normal(size=(6, 3, 9, 8)).astype(np.float32)}
    assert off(squeeze_and_excite(builder, gate_first), images, tmp_path, calibrated=True) < 0.05


def test_a_range_behind_a_product_is_its_own(builder, save) -> None:
    b = builder
    left, right = (b.conv(b.input(3, 6, 6, name=name), f"c{name}", 4, 3, 3) for name in "xy")
    b.node("Relu", [b.node("Mul", [left, right], "product")], "positive")
    model = b.model(b.conv("positive", "last", 2, 4, 1))
    rng = np.random.default_rng(1)
    images = {name: rng.normal(size=(4, 3, 6, 6)).astype(np.float32) for name in "xy"}
    network = load(save(model), images).network
    (op,) = (op for op in network.operators if isinstance(op, Combine))
    assert op.low == network.tensors[op.output].zero_point


@pytest.mark.parametrize("shape", [(4, 1, 6), (4, 6, 1)], ids=["column", "row"])
def test_other_shapes_are_refused(builder, save, shape: tuple[int, int, int]) -> None:
    b = builder
    left, right = b.conv(b.input(3, 6, 6), "c", 4, 3, 1), b.relu(b.input(*shape, name="y"))
    model = b.model(b.conv(b.node("Mul", [left, right], "product"), "last", 2, 4, 1))
    (problem,) = check(save(model), strict=True).problems
    assert problem.name == "product" and "gates" in problem.reason


def test_a_network_refuses_operands_that_do_not_fit() -> None:
    network = excited(1)
    gated = next(op for op in network.operators if isinstance(op, Combine))
    operators = [replace(op, a=op.b, b=op.a) if op is gated else op for op in network.operators]
    with pytest.raises(NetworkError, match="shapes disagree"):
        replace(network, operators=tuple(operators))


def test_an_overlay_without_multipliers_refuses_products() -> None:
    with pytest.raises(ProgramError, match="combines two tensors, the overlay cannot"):
        compile_network(excited(1), replace(SMALL, products=0))


def test_programs_without_products_are_the_same_on_any_overlay() -> None:
    programs = [compile_network(branchy(), replace(SMALL, products=n)) for n in (0, 1)]
    first, second = (program.instructions[1:-1] for program in programs)
    assert first == second
    new = ("product", "operand_address", "operand_pitch", "operand_zero_point")
    pools = [one for one in second if one.opcode is Opcode.POOL]
    assert pools and not any(one.field(name) for one in pools for name in new)


def test_a_configuration_without_products_is_the_one_of_before() -> None:
    data = OverlayConfig(products=0).to_json()
    del data["products"]
    assert OverlayConfig.from_json(data).products == 1
    assert OverlayConfig(products=0, tables=0).hash == 4267837819
    assert OverlayConfig(products=0).hash != OverlayConfig().hash


def test_an_outline_has_products_too() -> None:
    outline = without_numbers(excited(1))
    assert outline.is_outline and outline.combines
