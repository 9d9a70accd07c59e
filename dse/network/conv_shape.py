"""The shape of a convolution: all that its cost depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from dse.network.pool_shape import PoolShape
from dse.network.tensor import NetworkError, Shape


@dataclass(frozen=True)
class ConvShape:
    """All that the cost of a convolution depends on.

    ``kernel``, ``stride`` and ``dilation`` are (y, x); ``padding`` is (top, left, bottom, right).
    Names follow the literature: O1 x O2 output pixels, K1 x K2 taps, Cin and Cout channels.
    ``contiguous``: the input's rows are contiguous in memory; not so in a range of other channels.
    ``unfolded``: why the result must be written pixel by pixel; empty: it need not.
    ``unpadded``: why no further pixels may lie between the result's rows; empty: they may.
    ``summand``: an addition of its result is part of it.
    ``pooled``: the pooling that alone reads the result, which can follow it band by band.
    ``own_products``: multiplications of an output value that no pass has added; 0: all.
    ``unread``: output values of a row that a pass has added and nobody reads.
    """

    height: int
    width: int
    cin: int
    cout: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    contiguous: bool = True
    unfolded: str = ""
    unpadded: str = ""
    summand: bool = False
    pooled: PoolShape | None = None
    own_products: int = field(default=0, compare=False)
    unread: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        sizes = (self.height, self.width, self.cin, self.cout, self.groups)
        if min(*sizes, *self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise NetworkError(f"convolution out of range: {self}")
        if self.cin % self.groups or self.cout % self.groups:
            raise NetworkError(f"channels must be multiples of the groups: {self}")
        if min(self.o1, self.o2) < 1:
            raise NetworkError(f"the kernel exceeds the padded input: {self}")

    @property
    def o1(self) -> int:
        """Output height."""
        top, _, bottom, _ = self.padding
        return self._extent(self.height + top + bottom, 0)

    @property
    def o2(self) -> int:
        """Output width."""
        _, left, _, right = self.padding
        return self._extent(self.width + left + right, 1)

    def _extent(self, padded: int, axis: int) -> int:
        span = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (padded - span) // self.stride[axis] + 1

    @property
    def input(self) -> Shape:
        return self.height, self.width, self.cin

    @property
    def output(self) -> Shape:
        return self.o1, self.o2, self.cout

    @property
    def taps(self) -> int:
        """K1 K2."""
        return prod(self.kernel)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the direct convolution."""
        return self.o1 * (self.o2 * self.cout - self.unread) * self.products

    @property
    def products(self) -> int:
        """Multiplications of an output value."""
        return self.own_products or self.taps * self.cin // self.groups

    @property
    def is_dense(self) -> bool:
        """True if one output pixel sees the whole input: a fully connected layer."""
        return (
            self.kernel == (self.height, self.width)
            and not any(self.padding)
            and self.dilation == (1, 1)
        )
