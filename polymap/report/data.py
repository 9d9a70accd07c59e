"""What a report shows, as plain data; ``polymap.report.gather`` computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dse.cost.cost_model import FloatArray, IntArray
from dse.explore.card import Card
from dse.explore.resources import Resources
from dse.mapping import NetworkMapping, ParetoPoint


@dataclass(frozen=True)
class Roof:
    """A line of the roofline: ``rate`` in MAC/s (an array's peak) or bytes/s (a memory)."""

    name: str
    rate: float


@dataclass(frozen=True)
class Rival:
    """What the chosen mapping is compared with; ``latency_ms`` None: impossible, ``note`` says why.

    ``chosen`` marks the mapping itself.
    """

    name: str
    latency_ms: float | None
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Event:
    """An engine at work for a layer (or a stored tensor), in cycles."""

    engine: str
    layer: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """The engines over time; ``exact``: of the compiled program, else of the closed form."""

    events: tuple[Event, ...]
    total: float
    exact: bool


@dataclass(frozen=True, eq=False)
class SearchedArrays:
    """The arrays of a search.

    Members
    -------
    arrays : [A, 2], rows and columns; an array occurs once for every kind of hardware.
    bound : [A], lower bounds of their cycles.
    cycles : [A], of the optimal mapping; NaN where the bound ruled the array out, infinite where
        it is too large.
    """

    arrays: IntArray
    bound: FloatArray
    cycles: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportData:
    """Everything on the page.

    Members
    -------
    certified_gap : cycles above the certificate's; None: not certified.
    seconds : of the whole exploration; ``mapping.seconds`` of the mapping alone.
    configuration : the overlay's parameters by name.
    resources : by block of the overlay; empty if the cost model has no gateware.
    splits : cycles of each layer by part, in execution order.
    traffic : bytes between DRAM and chip by convolution.
    peaks, memories : the roofs.
    candidates, pareto : of the array search; None and empty if the array was given.
    """

    mapping: NetworkMapping
    board: Card
    lanes: int
    certified_gap: float | None
    seconds: float
    configuration: Mapping[str, object]
    resources: Mapping[str, Resources]
    splits: Mapping[str, Mapping[str, float]]
    traffic: Mapping[str, float]
    peaks: tuple[Roof, ...]
    memories: tuple[Roof, ...]
    candidates: SearchedArrays | None
    pareto: tuple[ParetoPoint, ...]
    rivals: tuple[Rival, ...]
    timeline: Timeline
