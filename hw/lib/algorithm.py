"""What an instruction's algorithm means to the hardware around the array."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Mux

from hw.isa import TRANSFORM_OF, Algorithm, Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.transforms import Transform

_ALGORITHM_OF = {transform: algorithm for algorithm, transform in TRANSFORM_OF.items()}


def skips(instruction: Any) -> Any:
    """Whether the words of taps in the padding are left out: kn2row, weight stationary."""
    kn2row = instruction.algorithm == Algorithm.KN2ROW
    return kn2row & (instruction.dataflow == Dataflow.WS)


def is_winograd(config: OverlayConfig, instruction: Any) -> Any:
    """Whether the operands are transformed."""
    if not config.transforms:
        return Const(0)
    return reduce(or_, (instruction.algorithm == algorithm for algorithm in TRANSFORM_OF))


def transform_index(config: OverlayConfig, instruction: Any) -> Any:
    """Which of the configuration's transforms."""
    bits = [
        Cat(
            instruction.algorithm == _ALGORITHM_OF[transform]
            for index, transform in enumerate(config.transforms)
            if index >> bit & 1
        ).any()
        for bit in range(config.transform_bits)
    ]
    return Cat(bits)


def of_transform(config: OverlayConfig, index: Any, value: Callable[[Transform], Any]) -> Any:
    """A property of the indexed transform, or a value made of it."""
    found, *others = (value(transform) for transform in config.transforms)
    for number, other in enumerate(others, 1):
        found = Mux(index == number, other, found)
    return found


def multiple(value: Any, factor: int) -> Any:
    """``value * factor`` as a sum of shifts: synthesis may put a product into a DSP slice."""
    shifts = [bit for bit in range(factor.bit_length()) if factor >> bit & 1]
    return sum((value << shift for shift in shifts[1:]), value << shifts[0])
