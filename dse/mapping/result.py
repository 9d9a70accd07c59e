"""The mapping of a network: what every layer does, what it costs, what the next best would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from dse.cost.cost_model import Label


@dataclass(frozen=True)
class LayerChoice:
    """One layer of a mapping, in cycles.

    Members
    -------
    compute, transfer : of the layer itself, and of bringing its input into its layout.
    utilisation : direct-convolution MACs over compute cycles and the array's peak; a fast
        algorithm may exceed 1.
    split : parts of ``compute`` by name, if the model tells them.
    alternative, alternative_extra : the next best label and what it would add, all else unchanged.
    """

    name: str
    label: Label
    macs: int
    compute: float
    transfer: float
    utilisation: float
    alternative: Label | None
    alternative_extra: float | None
    split: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreChoice:
    """A tensor kept for several readers, or assembled from several writers: layout and cycles."""

    name: str
    label: Label
    transfer: float


@dataclass(frozen=True)
class NetworkMapping:
    """A mapping of a whole network onto one array.

    ``core`` is the number of vertices that were left to the mixed-integer program: 0 on
    series-parallel networks.  ``seconds`` is the time to build and solve the problem, ``peak_macs``
    what the array can do in a cycle.
    """

    network: str
    model: str
    method: str
    rows: int
    columns: int
    dsp: int
    clock_hz: float
    cycles: float
    layers: tuple[LayerChoice, ...]
    stores: tuple[StoreChoice, ...]
    core: int
    seconds: float
    peak_macs: float

    @cached_property
    def compute(self) -> float:
        """Cycles of the layers themselves."""
        return sum(layer.compute for layer in self.layers)

    @property
    def transfer(self) -> float:
        """Cycles of moving tensors between layouts."""
        return self.cycles - self.compute

    @property
    def utilisation(self) -> float:
        """Of the multipliers, by direct convolution's MACs: above 1 thanks to fast algorithms."""
        macs = sum(layer.macs for layer in self.layers)
        return macs / (self.cycles * self.peak_macs) if macs else 0.0

    @property
    def latency_ms(self) -> float:
        """Milliseconds of one image."""
        return self.cycles / self.clock_hz * 1e3

    @property
    def choice(self) -> dict[str, Label]:
        """The label of each layer by name."""
        return {layer.name: layer.label for layer in self.layers}

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        return {
            **asdict(self),
            "array": f"{self.rows}x{self.columns}",
            "compute": self.compute,
            "transfer": self.transfer,
            "latency_ms": self.latency_ms,
        }
