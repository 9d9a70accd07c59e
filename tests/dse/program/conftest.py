"""A small network with everything in it, and an overlay for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dse.network.graph import (
    Add,
    Concat,
    Conv,
    Network,
    Numbers,
    Pool,
    Quantisation,
    Tensor,
    Window,
)
from hw.isa.config import OverlayConfig

MakeConv = Callable[..., Conv]


@pytest.fixture
def config() -> OverlayConfig:
    return OverlayConfig(
        rows=3,
        columns=5,
        tensor_bytes=4096,
        accumulator_depth=32,
        weight_words=64,
        parameter_depth=64,
        axi_bytes=8,
    )


@pytest.fixture
def tensor() -> Callable[..., Tensor]:
    def make(name: str, *shape: int, scale: float = 0.05, zero_point: int = 3) -> Tensor:
        return Tensor(name, *shape, Quantisation(scale, zero_point))

    return make


@pytest.fixture
def conv() -> MakeConv:
    rng = np.random.default_rng(5)

    def make(source: str, name: str, shape: tuple[int, int, int], **options: object) -> Conv:
        """``shape``: (Cout, kernel, Cin per group); padding keeps the extents."""
        cout, kernel, cin = shape
        window = Window((kernel, kernel), padding=(kernel // 2,) * 4)
        return Conv(
            name=name,
            input=source,
            output=name,
            numbers=Numbers(
                rng.integers(-127, 128, (cout, kernel, kernel, cin)).astype(np.int8),
                np.full(cout, 0.004),
                rng.integers(-900, 900, cout).astype(np.int32),
            ),
            **{"window": window, **options},  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def network(tensor: Callable[..., Tensor], conv: MakeConv) -> Network:
    """input -> a, b -> concat -> depthwise d -> d + concat -> average pool -> fully connected."""
    shapes = {"x": 3, "a": 6, "b": 4, "c": 10, "d": 10, "s": 10}
    tensors = {name: tensor(name, 8, 7, channels) for name, channels in shapes.items()}
    tensors["g"], tensors["f"] = tensor("g", 1, 1, 10), tensor("f", 1, 1, 5)
    operators = (
        conv("x", "a", (6, 3, 3)),
        conv("x", "b", (4, 1, 3)),
        Concat("concat", ("a", "b"), "c"),
        conv("c", "d", (10, 3, 1), groups=10),
        Add("add", "d", "c", "s"),
        Pool("pool", "s", "g", "average", Window((8, 7))),
        conv("g", "f", (5, 1, 10)),
    )
    return Network("all", tensors, operators, ("x",), ("f",), "0" * 64)
