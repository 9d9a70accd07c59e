"""A network of a workload's shapes, with random weights: cycles depend on the shapes alone."""

from __future__ import annotations

import numpy as np

from dse.network import workload as w
from dse.network.graph import Add, Concat, Conv, Network, Operator, Pool, Reshape, Slice, Window
from dse.network.tensor import Quantisation, Tensor

QUANTISATION = Quantisation(0.05, 0)


def to_network(workload: w.Workload, *, seed: int | None = 0) -> Network:
    """The network of the same inputs and outputs; ``seed`` None: all weights are zero.

    A workload does not say how its poolings are padded: as evenly as the output's extent needs.
    """
    rng = None if seed is None else np.random.default_rng(seed)
    tensors = {node.name: Tensor(node.name, *node.shape, QUANTISATION) for node in workload.nodes}
    operators = [
        _operator(node, workload, rng) for node in workload.nodes if not isinstance(node, w.Source)
    ]
    inputs = [node.name for node in workload.nodes if isinstance(node, w.Source)]
    return Network(workload.name, tensors, tuple(operators), tuple(inputs), workload.outputs)


def _operator(node: w.Node, workload: w.Workload, rng: np.random.Generator | None) -> Operator:
    match node:
        case w.Convolution():
            return _conv(node, rng)
        case w.Pool():
            window = _window(node, workload.node[node.input].shape)
            return Pool(node.name, node.input, node.name, node.kind, window)
        case w.Reshape():
            return Reshape(node.name, node.input, node.name)
        case w.Slice(channel=channel):
            return Slice(node.name, node.input, node.name, channel)
        case w.Join(kind="add") if len(node.inputs) == 2:
            return Add(node.name, *node.inputs, node.name)
        case w.Join(kind="concat"):
            return Concat(node.name, node.inputs, node.name)
    raise w.WorkloadError(f"{node.name!r}: apply graph passes to the network, not to its workload")


def _conv(node: w.Convolution, rng: np.random.Generator | None) -> Conv:
    conv = node.conv
    shape = (conv.cout, *conv.kernel, conv.cin // conv.groups)
    spread = 1 / (64 * np.sqrt(np.prod(shape[1:])))
    zeros = np.broadcast_to(np.int8(0), shape)
    return Conv(
        node.name,
        node.input,
        node.name,
        zeros if rng is None else rng.integers(-127, 128, shape, dtype=np.int8),
        np.full(conv.cout, spread),
        np.zeros(conv.cout, np.int32),
        Window(conv.kernel, conv.stride, conv.dilation, conv.padding),
        conv.groups,
    )


def _window(node: w.Pool, source: w.Shape) -> Window:
    """Padding before and behind: what the windows need beyond the image."""
    y, x = (
        max(0, (outputs - 1) * stride + kernel - inputs)
        for outputs, stride, kernel, inputs in zip(
            node.shape[:2], node.stride, node.kernel, source[:2], strict=True
        )
    )
    return Window(node.kernel, node.stride, padding=(y // 2, x // 2, y - y // 2, x - x // 2))
