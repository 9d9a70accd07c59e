"""What the passes' tests share: images, and the same pass on both representations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dse.network import graph as g
from dse.network.graph import Network
from dse.networks import from_network
from dse.networks import workload as w
from dse.passes import PassError
from sim import golden


def image(network: Network, seed: int) -> dict[str, np.ndarray]:
    """Random int8 values for every input of a network."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(-128, 128, network.tensors[name].shape).astype(np.int8)
        for name in network.inputs
    }


def same_bytes(network: Network, changed: Network, seed: int) -> None:
    """All tensors of a network are in the changed one, with the same bytes."""
    images = image(network, seed)
    expected, found = golden.run(network, images), golden.run(changed, images)
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], name)


def commutes(network: Network, change: Callable[[Any], Any]) -> None:
    """The changed network's workload is the changed workload.

    A workload's outputs are what no one reads, so the network's are made the same.
    """
    unread = [name for name, readers in network.consumers.items() if not readers]
    written = {*network.producers, *network.inputs}
    network = replace(network, outputs=tuple(name for name in unread if name in written))
    workload = from_network(network)

    def outcome(graph: Any) -> Any:
        try:
            return change(graph)
        except PassError as error:
            return str(error)

    changed = outcome(network)
    if isinstance(changed, Network):
        changed = from_network(changed)
    assert changed == outcome(workload)


def quantised(workload: w.Workload) -> Network:
    """A network of a workload's shapes, without additions; random weights, a common scale."""
    rng = np.random.default_rng(0)
    operators: list[g.Operator] = []
    for node in workload.nodes:
        match node:
            case w.Convolution(name=name, input=source, conv=c):
                weight = rng.integers(-127, 128, (c.cout, *c.kernel, c.cin // c.groups), np.int8)
                window = g.Window(c.kernel, c.stride, c.dilation, c.padding)
                scale, bias = np.full(c.cout, 1e-3), np.zeros(c.cout, np.int32)
                conv = g.Conv(name, source, name, weight, scale, bias, window, c.groups)
                operators.append(conv)
            case w.Pool(name=name, input=source):
                window = g.Window(node.kernel, node.stride, padding=_padding(node, workload))
                operators.append(g.Pool(name, source, name, node.kind, window))
            case w.Join(name=name, inputs=inputs, kind="concat"):
                operators.append(g.Concat(name, inputs, name))
    tensors = {
        node.name: g.Tensor(node.name, *node.shape, g.Quantisation(1.0, 0))
        for node in workload.nodes
    }
    sources = tuple(node.name for node in workload.nodes if isinstance(node, w.Source))
    return Network("quantised", tensors, tuple(operators), sources, (workload.nodes[-1].name,))


def _padding(pool: w.Pool, workload: w.Workload) -> tuple[int, int, int, int]:
    """What the output's extents ask for, the odd pixel at the end."""
    totals = [
        max(0, (out - 1) * stride + kernel - size)
        for out, stride, kernel, size in zip(
            pool.shape[:2],
            pool.stride,
            pool.kernel,
            workload.node[pool.input].shape[:2],
            strict=True,
        )
    ]
    low = [total // 2 for total in totals]
    return low[0], low[1], totals[0] - low[0], totals[1] - low[1]
