"""What nextpnr's report says of a placed and routed design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COUNTED = ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD", "TRELLIS_RAMW")


@dataclass(frozen=True, kw_only=True)
class PathStep:
    """A part of a path: through a cell, or along a net."""

    kind: str
    name: str
    nanoseconds: float


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A placed and routed design of one clock.

    Members
    -------
    clock_mhz : that static timing analysis gives.
    used : cells taken, and cells of the device.
    path : the critical path between registers.
    """

    seed: int
    clock_mhz: float
    used: Mapping[str, tuple[int, int]]
    path: Sequence[PathStep]

    def share(self, kind: str) -> float:
        """Nanoseconds of the path in "logic" or "routing"."""
        logic = kind == "logic"
        return sum(one.nanoseconds for one in self.path if (one.kind != "routing") == logic)


def read(report: Mapping[str, Any], seed: int) -> Routed:
    """The report of a design."""
    (rates,) = report["fmax"].values()
    (critical,) = (path for path in report["critical_paths"] if _within(path))
    return Routed(
        seed=seed,
        clock_mhz=rates["achieved"],
        used={
            name: (one["used"], one["available"])
            for name, one in report["utilization"].items()
            if name in _COUNTED
        },
        path=tuple(_steps(critical["path"])),
    )


def _within(path: Mapping[str, Any]) -> bool:
    """Whether a path lies between registers of the clock, not at a port."""
    return all(path[end].startswith("posedge") for end in ("from", "to"))


def _steps(path: Sequence[Mapping[str, Any]]) -> Iterator[PathStep]:
    for one in path:
        name = one.get("net") or one["from"]["cell"]
        yield PathStep(kind=one["type"], name=name.replace("\\", ""), nanoseconds=one["delay"])
