"""The shape of a pooling: all that its cost depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dse.network.tensor import Shape


@dataclass(frozen=True)
class PoolShape:
    """A pooling that a tensor passes on its way, a normalisation included, or a product.

    A product's windows have a tap of each tensor; those that slide share the other one's.
    """

    kind: Literal["max", "average", "product", "normalise"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    input: Shape
    output: Shape
