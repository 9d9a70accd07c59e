"""Builds an outline layer by layer: methods take tensor names and return the output's name."""

from __future__ import annotations

from typing import Literal

from dse.network.graph import (
    Add,
    Concat,
    Conv,
    Network,
    Normalisation,
    Operator,
    Pool,
    Tensor,
    Window,
)
from dse.network.tensor import Shape

Padding = Literal["same", "valid"]


class OutlineBuilder:
    """Collects operators; ``build`` returns the checked outline.

    Parameters
    ----------
    name : the network's name.
    shape : (height, width, channels) of the input, which is named "input".
    """

    def __init__(self, name: str, shape: Shape) -> None:
        self._name = name
        self._tensors = {"input": Tensor("input", *shape)}
        self._operators: list[Operator] = []

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
        source = self._tensors[x]
        ky, kx = (kernel, kernel) if isinstance(kernel, int) else kernel
        pads = (0, 0, 0, 0)
        if padding == "same":
            pads = _pads((source.height, source.width), (ky, kx), stride)
        window = Window((ky, kx), (stride, stride), padding=pads)
        return self._add(Conv(name, x, name, window), *_extents(window, source), cout)

    def dense(self, x: str, name: str, cout: int) -> str:
        """Fully connected layer: a convolution that covers its input."""
        source = self._tensors[x]
        window = Window((source.height, source.width))
        return self._add(Conv(name, x, name, window), 1, 1, cout)

    def pool(
        self,
        x: str,
        name: str,
        kernel: int,
        *,
        stride: int = 1,
        kind: Literal["max", "average"] = "max",
        padding: Padding = "same",
        normalisation: Normalisation | None = None,
    ) -> str:
        """Pooling; ``same`` gives ceil(size / stride) outputs, ``valid`` only whole windows."""
        source = self._tensors[x]
        pads = (0, 0, 0, 0)
        if padding == "same":
            pads = _pads((source.height, source.width), (kernel, kernel), stride)
        window = Window((kernel, kernel), (stride, stride), padding=pads)
        extents = _extents(window, source)
        pool = Pool(name, x, name, kind, window, normalisation=normalisation)
        return self._add(pool, *extents, source.channels)

    def global_average(self, x: str, name: str) -> str:
        """Average over the whole image."""
        source = self._tensors[x]
        window = Window((source.height, source.width))
        return self._add(Pool(name, x, name, "average", window), 1, 1, source.channels)

    def concat(self, name: str, *xs: str) -> str:
        """Concatenation along the channels."""
        first = self._tensors[xs[0]]
        channels = sum(self._tensors[x].channels for x in xs)
        return self._add(Concat(name, xs, name), first.height, first.width, channels)

    def add(self, name: str, a: str, b: str) -> str:
        """Elementwise sum."""
        return self._add(Add(name, a, b, name), *self._tensors[a].shape)

    def build(self) -> Network:
        """The outline, checked; what nothing reads is an output."""
        read = {name for op in self._operators for name in op.inputs}
        outputs = tuple(op.output for op in self._operators if op.output not in read)
        operators = tuple(self._operators)
        return Network(self._name, self._tensors, operators, ("input",), outputs)

    def _add(self, op: Operator, height: int, width: int, channels: int) -> str:
        self._operators.append(op)
        self._tensors[op.output] = Tensor(op.output, height, width, channels)
        return op.output


def _extents(window: Window, source: Tensor) -> tuple[int, int]:
    return window.output(source.height, source.width)


def _pads(
    sizes: tuple[int, int], kernel: tuple[int, int], stride: int
) -> tuple[int, int, int, int]:
    """Padding (top, left, bottom, right), as even as possible, for ceil(size / stride) outputs."""
    y, x = (
        max(0, (-(-size // stride) - 1) * stride + taps - size)
        for size, taps in zip(sizes, kernel, strict=True)
    )
    return y // 2, x // 2, y - y // 2, x - x // 2
