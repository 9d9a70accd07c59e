"""What does not fit is refused with the layer's name, the need and the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Conv, Network, Pool, Tensor, Window
from hw.isa import Opcode
from hw.isa.config import OverlayConfig

MakeTensor = Callable[..., Tensor]
MakeConv = Callable[..., Conv]


def single(operator: Conv | Pool, x: Tensor, y: Tensor) -> Network:
    return Network("n", {x.name: x, y.name: y}, (operator,), (x.name,), (y.name,))


def test_accumulators(tensor: MakeTensor, conv: MakeConv, config: OverlayConfig) -> None:
    operator = conv("x", "y", (1, 3, 64))
    operator = replace(
        operator, numbers=replace(operator.numbers, weight=np.full((1, 3, 3, 64), 127, np.int8))
    )
    network = single(operator, tensor("x", 4, 4, 64), tensor("y", 4, 4, 1))
    bits = (9 * 64 * 127 * (128 + 3)).bit_length() + 1
    compile_network(network, replace(config, accumulator_bits=bits))
    with pytest.raises(ProgramError, match=f"layer 'y': sums can need {bits} bits"):
        compile_network(network, replace(config, accumulator_bits=bits - 1))


def test_instruction_field(tensor: MakeTensor, conv: MakeConv, config: OverlayConfig) -> None:
    pool = Pool("tall", "x", "y", "max", Window((300, 1)))
    network = single(pool, tensor("x", 300, 2, 1), tensor("y", 1, 2, 1))
    message = r"layer 'tall' .* POOL.tap_rows must be in \[0, 255\], not 300"
    with pytest.raises(ProgramError, match=message):
        compile_network(network, config)


def test_a_covering_kernel_has_no_limit(
    tensor: MakeTensor, conv: MakeConv, config: OverlayConfig
) -> None:
    operator = conv("x", "y", (2, 300, 1), window=Window((300, 300)))
    network = single(operator, tensor("x", 300, 300, 1), tensor("y", 1, 1, 2))
    compile_network(network, replace(config, tensor_bytes=1 << 17))


def test_parameter_memory(tensor: MakeTensor, config: OverlayConfig) -> None:
    pool = Pool("wide", "x", "y", "average", Window((9, 9), padding=(4, 4, 4, 4)))
    network = single(pool, tensor("x", 9, 9, 1), tensor("y", 9, 9, 1))
    with pytest.raises(ProgramError, match="layer 'wide' needs 57 parameter records"):
        compile_network(network, replace(config, parameter_depth=32))


def test_window_outside_the_image(tensor: MakeTensor, config: OverlayConfig) -> None:
    pool = Pool("out", "x", "y", "max", Window((1, 1), padding=(1, 1, 1, 1)))
    network = single(pool, tensor("x", 3, 3, 1), tensor("y", 5, 5, 1))
    with pytest.raises(ProgramError, match="layer 'out': a window lies outside the image"):
        compile_network(network, config)


def test_strips(tensor: MakeTensor, conv: MakeConv, config: OverlayConfig) -> None:
    """Rows of 32 x 8 bytes: at least three in and one out, whatever the height."""
    network = single(conv("x", "y", (8, 3, 8)), tensor("x", 64, 32, 8), tensor("y", 64, 32, 8))
    program = compile_network(network, replace(config, tensor_bytes=2048))
    counts = {
        opcode: sum(one.opcode is opcode for one in program.instructions)
        for opcode in (Opcode.CONV, Opcode.STORE, Opcode.WEIGHTS)
    }
    assert counts == {Opcode.CONV: 64, Opcode.STORE: 64, Opcode.WEIGHTS: 64}
    assert [place.memory for place in program.manifest.tensors] == ["input", "output"]
    message = "layer 'y' needs at least 1024 bytes of tensor memory"
    with pytest.raises(ProgramError, match=message):
        compile_network(network, replace(config, tensor_bytes=512))
