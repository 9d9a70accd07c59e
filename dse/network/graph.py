"""The network IR: a frozen, shape-complete graph of what the overlay executes.

Every tensor is one image in HWC order, int8, with a scale and a zero point of its own:
``real = scale * (q - zero_point)``.  Six operators are enough: importers lower everything else to
them (fully connected layers become convolutions that cover their input, batch normalisation is
folded, ReLU and Clip become the output range of the operator before them, any other function of one
value a table behind it).  Graph passes
(``dse.passes``) add Slice, Crop and SpaceToDepth.

An *outline* is a network without numbers: its convolutions have no weights and its tensors no
quantisations, as of a benchmark or of a model that is not quantised yet.  Passes, cost models and
mapping need no more; compiler and golden model refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dse.network.activation_table import ActivationTable as ActivationTable
from dse.network.conv_shape import ConvShape
from dse.network.normalisation import Gain as Gain
from dse.network.normalisation import Normalisation as Normalisation
from dse.network.operators import Add as Add
from dse.network.operators import Combine as Combine
from dse.network.operators import Concat as Concat
from dse.network.operators import Conv as Conv
from dse.network.operators import Crop as Crop
from dse.network.operators import Numbers as Numbers
from dse.network.operators import Operator as Operator
from dse.network.operators import Pool as Pool
from dse.network.operators import Reshape as Reshape
from dse.network.operators import Slice as Slice
from dse.network.operators import SpaceToDepth as SpaceToDepth
from dse.network.operators import Window as Window
from dse.network.tensor import INT8_MAX as INT8_MAX
from dse.network.tensor import INT8_MIN as INT8_MIN
from dse.network.tensor import NetworkError as NetworkError
from dse.network.tensor import Quantisation as Quantisation
from dse.network.tensor import Tensor as Tensor
from dse.network.verify import verify


@dataclass(frozen=True)
class Network:
    """Operators in execution order over named tensors; checked at construction.

    ``ignored``: what the model also asks for and no network can say, as texts.  ``arrivals``:
    inputs that the host computes from outputs, and how many *segments* of the network end before
    it can (``dse.network.segments``); the other inputs are there from the start.
    """

    name: str
    tensors: Mapping[str, Tensor] = field(hash=False)
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source_sha256: str = field(default="", compare=False)
    ignored: tuple[str, ...] = field(default=(), compare=False)
    arrivals: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        verify(self)

    @property
    def is_outline(self) -> bool:
        """Whether it has no numbers."""
        return any(tensor.quantisation is None for tensor in self.tensors.values())

    def require_numbers(self) -> None:
        """NetworkError of an outline."""
        if self.is_outline:
            raise NetworkError(
                f"network {self.name!r} is an outline, without weights and quantisations: import"
                " the model with calibration images"
            )

    @cached_property
    def producers(self) -> dict[str, Operator]:
        """The operator that writes each tensor; network inputs have none."""
        return {op.output: op for op in self.operators}

    @cached_property
    def consumers(self) -> dict[str, tuple[Operator, ...]]:
        """The operators that read each tensor, in execution order."""
        found: dict[str, list[Operator]] = {name: [] for name in self.tensors}
        for op in self.operators:
            for name in dict.fromkeys(op.inputs):
                found[name].append(op)
        return {name: tuple(ops) for name, ops in found.items()}

    def convolutions(self) -> Iterator[Conv]:
        """All convolutions in execution order."""
        return (op for op in self.operators if isinstance(op, Conv))

    @property
    def tables(self) -> list[ActivationTable]:
        """The tables that its operators apply."""
        tables = (op.table for op in self.operators if isinstance(op, Conv | Pool))
        return [table for table in tables if table is not None]

    @property
    def normalisations(self) -> list[Normalisation]:
        """The normalisations of its poolings."""
        pools = (op for op in self.operators if isinstance(op, Pool))
        return [pool.normalisation for pool in pools if pool.normalisation is not None]

    @property
    def combines(self) -> tuple[Combine, ...]:
        """Its combinations of two tensors."""
        return tuple(op for op in self.operators if isinstance(op, Combine))

    def needs_pairs(self, combine: Combine) -> bool:
        """Whether multipliers of two values are not enough for a combination."""
        a, b = (self.tensors[name].channels for name in combine.inputs)
        return combine.combination != "product" or b < a

    def conv_shape(self, conv: Conv) -> ConvShape:
        """The shape of one of its convolutions."""
        height, width, channels = self.tensors[conv.input].shape
        return ConvShape(
            height,
            width,
            channels,
            self.tensors[conv.output].channels,
            conv.window.kernel,
            conv.window.stride,
            conv.window.padding,
            conv.window.dilation,
            conv.groups,
            own_products=conv.own_products,
            unread=conv.unread,
        )

    def macs(self) -> int:
        """Multiply-accumulates of one image, without those that a pass has added."""
        return sum(self.conv_shape(conv).macs for conv in self.convolutions())
