"""Builds a workload layer by layer: methods take tensor names and return the output's name."""

from __future__ import annotations

from typing import Literal

from dse.network.workload import (
    Convolution,
    ConvShape,
    Join,
    Node,
    Pool,
    Shape,
    Source,
    Workload,
)

Padding = Literal["same", "valid"]


class WorkloadBuilder:
    """Collects nodes; ``build`` returns the checked workload.

    Parameters
    ----------
    name : the workload's name.
    shape : (height, width, channels) of the input, which is named "input".
    """

    def __init__(self, name: str, shape: Shape) -> None:
        self._name = name
        self._nodes: list[Node] = [Source("input", shape)]
        self._shapes: dict[str, Shape] = {"input": shape}

    def conv(
        self,
        x: str,
        name: str,
        cout: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: Padding = "same",
    ) -> str:
        """Convolution; ``same`` gives ceil(size / stride) outputs."""
        height, width, cin = self._shapes[x]
        ky, kx = (kernel, kernel) if isinstance(kernel, int) else kernel
        pads = (0, 0, 0, 0)
        if padding == "same":
            top, bottom = _same(height, ky, stride)
            left, right = _same(width, kx, stride)
            pads = (top, left, bottom, right)
        shape = ConvShape(height, width, cin, cout, (ky, kx), (stride, stride), pads)
        return self._add(Convolution(name, x, shape))

    def dense(self, x: str, name: str, cout: int) -> str:
        """Fully connected layer: a convolution that covers its input."""
        height, width, cin = self._shapes[x]
        return self._add(Convolution(name, x, ConvShape(height, width, cin, cout, (height, width))))

    def pool(
        self,
        x: str,
        name: str,
        kernel: int,
        *,
        stride: int = 1,
        kind: Literal["max", "average"] = "max",
        padding: Padding = "same",
    ) -> str:
        """Pooling; ``same`` gives ceil(size / stride) outputs, ``valid`` only whole windows."""
        height, width, channels = self._shapes[x]
        if padding == "same":
            o1, o2 = (-(-size // stride) for size in (height, width))
        else:
            o1, o2 = ((size - kernel) // stride + 1 for size in (height, width))
        shape = (o1, o2, channels)
        return self._add(Pool(name, x, shape, kind, (kernel, kernel), (stride, stride)))

    def global_average(self, x: str, name: str) -> str:
        """Average over the whole image."""
        height, width, channels = self._shapes[x]
        return self._add(Pool(name, x, (1, 1, channels), "average", (height, width), (1, 1)))

    def concat(self, name: str, *xs: str) -> str:
        """Concatenation along the channels."""
        height, width, _ = self._shapes[xs[0]]
        channels = sum(self._shapes[x][2] for x in xs)
        return self._add(Join(name, xs, (height, width, channels), "concat"))

    def add(self, name: str, *xs: str) -> str:
        """Elementwise sum."""
        return self._add(Join(name, xs, self._shapes[xs[0]], "add"))

    def build(self) -> Workload:
        """The workload, checked."""
        return Workload(self._name, tuple(self._nodes))

    def _add(self, node: Node) -> str:
        self._nodes.append(node)
        self._shapes[node.name] = node.shape
        return node.name


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2
