"""The workload of a quantised network keeps its shapes, edges and multiply-accumulates."""

import numpy as np

from dse.network import workload as w
from dse.network.from_network import from_network
from dse.network.graph import (
    Add,
    Concat,
    Conv,
    Network,
    Operator,
    Pool,
    Quantisation,
    Reshape,
    Tensor,
    Window,
)


def conv(name: str, source: str, target: str, shape: tuple[int, ...], **options) -> Conv:
    cout = shape[0]
    return Conv(
        name,
        source,
        target,
        np.ones(shape, np.int8),
        np.ones(cout),
        np.zeros(cout, np.int32),
        **options,
    )


def network() -> Network:
    q = Quantisation(1.0, 0)
    shapes = {
        "image": (8, 8, 4),
        "a": (8, 8, 6),
        "b": (4, 4, 6),
        "c": (4, 4, 6),
        "d": (4, 4, 6),
        "e": (4, 4, 12),
        "f": (1, 1, 192),
        "g": (1, 1, 10),
    }
    window = Window((3, 3), padding=(1, 1, 1, 1))
    operators: tuple[Operator, ...] = (
        conv("first", "image", "a", (6, 3, 3, 2), window=window, groups=2),
        Pool("pool", "a", "b", "max", Window((2, 2), (2, 2))),
        conv("second", "b", "c", (6, 1, 1, 6), window=Window()),
        Add("sum", "b", "c", "d"),
        Concat("both", ("b", "d"), "e"),
        Reshape("flat", "e", "f"),
        conv("classifier", "f", "g", (10, 1, 1, 192), window=Window()),
    )
    tensors = {name: Tensor(name, *shape, q) for name, shape in shapes.items()}
    return Network("small", tensors, operators, ("image",), ("g",))


def test_nodes_edges_and_macs() -> None:
    net = network()
    workload = from_network(net)
    assert workload.macs == net.macs()
    assert [(type(n), n.name, n.inputs) for n in workload.nodes] == [
        (w.Source, "image", ()),
        (w.Convolution, "first", ("image",)),
        (w.Pool, "pool", ("first",)),
        (w.Convolution, "second", ("pool",)),
        (w.Join, "sum", ("pool", "second")),
        (w.Join, "both", ("pool", "sum")),
        (w.Reshape, "flat", ("both",)),
        (w.Convolution, "classifier", ("flat",)),
    ]
    assert workload.convolutions[0].conv == w.ConvShape(
        8, 8, 4, 6, (3, 3), padding=(1, 1, 1, 1), groups=2
    )
