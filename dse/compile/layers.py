"""What a program executes: convolutions, which may add a residual, and what runs beside them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dse.network.graph import Add, Combine, Conv, Pool, Window


class Role(enum.Enum):
    """What a tensor is to a layer."""

    SOURCE = "source"
    RESIDUAL = "residual"
    OPERAND = "operand"
    TARGET = "target"


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """A convolution; with ``add``, its own int8 result is then added to the tensor ``residual``."""

    conv: Conv
    add: Add | None = None

    @property
    def name(self) -> str:
        return self.conv.name

    @property
    def output(self) -> str:
        return self.add.output if self.add else self.conv.output

    @property
    def residual(self) -> str | None:
        """The other operand of the addition."""
        if self.add is None:
            return None
        return self.add.b if self.add.a == self.conv.output else self.add.a

    @property
    def operands(self) -> dict[Role, str]:
        """The tensors it reads, and the one it writes."""
        found = {Role.SOURCE: self.conv.input, Role.TARGET: self.output}
        return found if self.residual is None else {**found, Role.RESIDUAL: self.residual}

    @property
    def window(self) -> Window:
        return self.conv.window


@dataclass(frozen=True, eq=False)
class PoolLayer:
    """A pooling, on the engine beside the array."""

    pool: Pool

    @property
    def name(self) -> str:
        return self.pool.name

    @property
    def output(self) -> str:
        return self.pool.output

    @property
    def operands(self) -> dict[Role, str]:
        """The tensor it reads and the one it writes."""
        return {Role.SOURCE: self.pool.input, Role.TARGET: self.output}

    @property
    def window(self) -> Window:
        return self.pool.window


@dataclass(frozen=True, eq=False)
class DepthwiseLayer:
    """A depthwise convolution, on the engine that pools."""

    conv: Conv

    @property
    def name(self) -> str:
        return self.conv.name

    @property
    def output(self) -> str:
        return self.conv.output

    @property
    def operands(self) -> dict[Role, str]:
        """The tensor it reads and the one it writes."""
        return {Role.SOURCE: self.conv.input, Role.TARGET: self.output}

    @property
    def window(self) -> Window:
        return self.conv.window


@dataclass(frozen=True, eq=False)
class PairLayer:
    """A combination of two tensors, on the engine that pools."""

    combine: Combine

    @property
    def name(self) -> str:
        return self.combine.name

    @property
    def output(self) -> str:
        return self.combine.output

    @property
    def operands(self) -> dict[Role, str]:
        """The tensors it reads and the one it writes."""
        combine = self.combine
        return {Role.SOURCE: combine.a, Role.OPERAND: combine.b, Role.TARGET: self.output}

    @property
    def window(self) -> Window:
        return Window()


WindowLayer = PoolLayer | DepthwiseLayer
"""What walks windows over one tensor on the engine beside the array."""

BesideLayer = WindowLayer | PairLayer
"""What runs on the engine beside the array."""

Layer = ConvLayer | BesideLayer
