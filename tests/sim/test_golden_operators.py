"""The golden model against float arithmetic on the same integers: within one unit of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.network.graph import (
    Add,
    Combine,
    Concat,
    Conv,
    Network,
    Numbers,
    Operator,
    Pool,
    Quantisation,
    Tensor,
    Window,
)
from sim import golden
from tests.kit.qdq import qdq_model
from tests.meaning import evaluate

TALLY: dict[str, list[int]] = {}
"""Compared values and mismatches by kind of operator, over all tests of this file."""


@pytest.fixture(scope="module", autouse=True)
def report():
    """Print the mismatch rates (``pytest -s``) that docs/network.md quotes."""
    yield
    for kind, (values, mismatches) in sorted(TALLY.items()):
        print(
            f"\n{kind}: {mismatches} of {values} differ by one: {mismatches / values:.2e}", end=""
        )


def reference(network: Network, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor as the network's ONNX model defines it, int8 HWC."""
    feeds = {name: x.transpose(2, 0, 1)[None].copy() for name, x in inputs.items()}
    results = evaluate(qdq_model(network, intermediate=True), feeds)
    return {name: y[0].transpose(1, 2, 0) for name, y in results.items()}


def compare(kind: str, network: Network, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = {
        name: rng.integers(-128, 128, network.tensors[name].shape, np.int8)
        for name in network.inputs
    }
    expected = reference(network, inputs)
    actual = golden.run(network, inputs)
    for op in network.operators:
        difference = np.abs(actual[op.output].astype(int) - expected[op.output])
        tally = TALLY.setdefault(kind, [0, 0])
        tally[0] += difference.size
        tally[1] += int(np.count_nonzero(difference))
        assert difference.max() <= 1, f"{op.name}: {op}"


scales = st.floats(2**-10, 2.0).map(lambda x: float(np.float32(x)))
zero_points = st.integers(-128, 127)
quantisations = st.builds(Quantisation, scales, zero_points)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def ranges(draw) -> tuple[int, int]:
    low, high = sorted((draw(zero_points), draw(zero_points)))
    return draw(st.sampled_from([(-128, 127), (low, high)]))


@st.composite
def windows(draw, pads_below_kernel: bool) -> Window:
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4))
    kernel, dilation = draw(pair), draw(st.sampled_from([(1, 1), (2, 1), (1, 3)]))
    limit = [(k - 1 if pads_below_kernel else 3) for k in kernel]
    padding = tuple(draw(st.integers(0, limit[side % 2])) for side in range(4))
    return Window(kernel, draw(pair), dilation, padding)


def single(op: Operator, tensors: list[Tensor]) -> Network:
    by_name = {tensor.name: tensor for tensor in tensors}
    inputs = tuple(dict.fromkeys(op.inputs))
    return Network("single", by_name, (op,), inputs, (op.output,))


@st.composite
def convolutions(draw) -> Network:
    window = draw(windows(pads_below_kernel=False))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    cin, cout = groups * draw(st.integers(1, 9)), groups * draw(st.integers(1, 5))
    height, width = (
        draw(st.integers(max(1, d * (k - 1) + 1 - pad), 14))
        for d, k, pad in zip(window.dilation, window.kernel, window.padding, strict=False)
    )
    rng = np.random.default_rng(draw(seeds))
    weight = rng.integers(-127, 128, (cout, *window.kernel, cin // groups), np.int8)
    x = Tensor("x", height, width, cin, draw(quantisations))
    y_height, y_width = window.output(height, width)
    # An output scale that neither saturates everything nor rounds everything to the zero point.
    weight_scale = rng.uniform(0.002, 0.02, cout).astype(np.float32).astype(np.float64)
    spread = x.quantisation.scale * 0.01 * 74 * 74 * np.sqrt(weight[0].size) / 40
    y_scale = float(np.float32(spread * draw(st.floats(0.3, 3.0))))
    y = Tensor("y", y_height, y_width, cout, Quantisation(y_scale, draw(zero_points)))
    bias = rng.integers(-20000, 20000, cout).astype(np.int32)
    low, high = draw(ranges())
    op = Conv("op", "x", "y", window, groups, Numbers(weight, weight_scale, bias, low, high))
    return single(op, [x, y])


@settings(max_examples=150, deadline=None)
@given(convolutions(), seeds)
def test_convolution(network: Network, seed: int) -> None:
    compare("convolution", network, seed)


@st.composite
def fully_connected(draw) -> Network:
    height, width, cin, cout = (draw(st.integers(1, n)) for n in (4, 4, 20, 30))
    rng = np.random.default_rng(draw(seeds))
    weight = rng.integers(-127, 128, (cout, height, width, cin), np.int8)
    x = Tensor("x", height, width, cin, draw(quantisations))
    y_scale = float(np.float32(x.quantisation.scale * np.sqrt(weight[0].size)))
    y = Tensor("y", 1, 1, cout, Quantisation(y_scale, draw(zero_points)))
    bias = rng.integers(-5000, 5000, cout).astype(np.int32)
    scale = np.full(cout, 2.0**-6)
    return single(
        Conv("op", "x", "y", Window(kernel=(height, width)), 1, Numbers(weight, scale, bias)),
        [x, y],
    )


@settings(max_examples=40, deadline=None)
@given(fully_connected(), seeds)
def test_fully_connected(network: Network, seed: int) -> None:
    compare("fully connected", network, seed)


@st.composite
def pools(draw) -> Network:
    kind = draw(st.sampled_from(["max", "average"]))
    window = draw(windows(pads_below_kernel=True))
    if kind == "average":
        window = Window(window.kernel, window.stride, (1, 1), window.padding)
    height, width = (
        draw(st.integers(d * (k - 1) + 1, 14))
        for d, k in zip(window.dilation, window.kernel, strict=True)
    )
    sizes = []
    for axis, n in enumerate((height, width)):
        reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
        before, after = window.padding[axis], window.padding[axis + 2]
        rest = (n + before + after - reach) % window.stride[axis]
        size = (n + before + after - reach) // window.stride[axis] + 1
        sizes.append((size, rest != 0 and size * window.stride[axis] < n + before))
    ceil = draw(st.booleans()) and all(grows for _, grows in sizes)
    y_height, y_width = (size + ceil for size, _ in sizes)
    x = Tensor("x", height, width, draw(st.integers(1, 9)), draw(quantisations))
    same = draw(st.booleans())
    other = Quantisation(
        float(np.float32(x.quantisation.scale * draw(st.floats(0.2, 4)))), draw(zero_points)
    )
    y = Tensor("y", y_height, y_width, x.channels, x.quantisation if same else other)
    include = kind == "average" and draw(st.booleans())
    low, high = draw(ranges())
    return single(Pool("op", "x", "y", kind, window, include, low, high), [x, y])


@settings(max_examples=150, deadline=None)
@given(pools(), seeds)
def test_pool(network: Network, seed: int) -> None:
    (op,) = network.operators
    assert isinstance(op, Pool)
    compare(f"{op.kind} pool", network, seed)


@st.composite
def additions(draw) -> Network:
    shape = draw(st.tuples(*[st.integers(1, 8)] * 3))
    a, b, y = (Tensor(name, *shape, draw(quantisations)) for name in "aby")
    return single(Add("op", "a", "b", "y", *draw(ranges())), [a, b, y])


@settings(max_examples=80, deadline=None)
@given(additions(), seeds)
def test_add(network: Network, seed: int) -> None:
    compare("add", network, seed)


@st.composite
def multiplications(draw) -> Network:
    shape = draw(st.tuples(*[st.integers(1, 8)] * 3))
    gate = (1, 1, shape[2]) if draw(st.booleans()) else shape
    a, b = Tensor("a", *shape, draw(quantisations)), Tensor("b", *gate, draw(quantisations))
    spread = draw(st.floats(2, 300))
    scale = float(np.float32(a.quantisation.scale * b.quantisation.scale * spread))
    y = Tensor("y", *shape, Quantisation(scale, draw(zero_points)))
    return single(Combine("op", "a", "b", "y", *draw(ranges())), [a, b, y])


@settings(max_examples=80, deadline=None)
@given(multiplications(), seeds)
def test_multiply(network: Network, seed: int) -> None:
    compare("multiply", network, seed)


@settings(max_examples=10, deadline=None)
@given(quantisations, st.lists(st.integers(1, 7), min_size=1, max_size=4), seeds)
def test_concat(quantisation: Quantisation, channels: list[int], seed: int) -> None:
    parts = [Tensor(f"x{i}", 3, 2, c, quantisation) for i, c in enumerate(channels)]
    y = Tensor("y", 3, 2, sum(channels), quantisation)
    compare("concat", single(Concat("op", tuple(t.name for t in parts), "y"), [*parts, y]), seed)
