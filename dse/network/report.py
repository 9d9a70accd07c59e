"""What a model cannot have executed, node by node: the answer of ``check``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dse.network.graph import NetworkError


@dataclass(frozen=True)
class Problem:
    """A node that cannot be executed: its name, operator, the reason and what to do about it."""

    name: str
    operator: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name} ({self.operator}): {self.reason}; {self.remedy}"


class UnsupportedError(NetworkError):
    """A model has unsupported nodes; ``problems`` lists all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        nodes = "node" if len(self.problems) == 1 else "nodes"
        lines = "; ".join(str(problem) for problem in self.problems[:3])
        more = f"; and {len(self.problems) - 3} more" if len(self.problems) > 3 else ""
        super().__init__(f"{len(self.problems)} unsupported {nodes}: {lines}{more}")


@dataclass(frozen=True)
class Report:
    """What would become of a model: layers on the overlay, nodes on the host, problems.

    ``kind``: "float" models need calibration arrays to be imported, "quantised" ones do not.
    ``layers``: the overlay's operators in execution order, as (name, kind) pairs.
    """

    path: str
    kind: Literal["float", "quantised"]
    layers: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    tail: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def supported(self) -> bool:
        return not self.problems
