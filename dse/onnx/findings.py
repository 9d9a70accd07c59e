"""What a model cannot have executed, node by node: the answer of ``check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True)
class Group:
    """All problems with one operator."""

    operator: str
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        first, count = self.problems[0], len(self.problems)
        nodes = f"1 node, {first.name}" if count == 1 else f"{count} nodes, first {first.name}"
        reasons = {(problem.reason, problem.remedy) for problem in self.problems}
        others = len(reasons) - 1
        more = f" (and {others} other {_plural('reason', others)})" if others else ""
        return f"{self.operator}: {nodes}: {first.reason}; {first.remedy}{more}"


def groups(problems: Sequence[Problem]) -> tuple[Group, ...]:
    """The problems by operator, in the order in which the model meets them."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.operator, []).append(problem)
    return tuple(Group(operator, tuple(same)) for operator, same in found.items())


def total(problems: Sequence[Problem]) -> str:
    """How many nodes there are problems with."""
    return f"{len(problems)} unsupported {_plural('node', len(problems))}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


class UnsupportedError(NetworkError):
    """A model has unsupported nodes; ``problems`` lists all of them, the message by operator."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{total(problems)}: {'; '.join(map(str, groups(problems)))}")


Place = Literal["constant", "head", "middle", "overlay", "tail", "unsupported", "unjudged"]
"""Where a node goes: nowhere, for it is constant; to the host, before the overlay, between two
segments of it, or after it; to the overlay; or it cannot be executed; "unjudged" are those behind
it whose inputs' shapes are open."""


@dataclass(frozen=True)
class HostCrossing:
    """The way from a segment of the overlay to the next one, through the host.

    ``nodes``: those that the host runs there, by name and operator.  ``refused``: why those of them
    that the overlay does not have are there.  ``stored`` and ``loaded``: bytes of an image that
    the segment before leaves in DRAM, and that the one behind reads from there.
    """

    nodes: tuple[tuple[str, str], ...]
    refused: tuple[Problem, ...]
    stored: int
    loaded: int


@dataclass(frozen=True)
class Report:
    """What would become of a model: layers on the overlay, nodes on the host, problems.

    ``kind``: "float" models need calibration arrays to be imported.
    ``layers``: the overlay's operators in execution order, as (name, kind) pairs.
    ``places``: where every node goes, by name.
    ``left_in_float``: layers of a quantised model that are quantised on the spot; ``open_inputs``:
    inputs of it that are, too, for which it needs calibration arrays.
    ``crossings``: what is between the segments of the overlay; there are none if no host's nodes
    are in the middle, or if there are problems.
    """

    path: str
    kind: Literal["float", "quantised"]
    layers: tuple[tuple[str, str], ...]
    places: Mapping[Place, tuple[str, ...]]
    problems: tuple[Problem, ...]
    left_in_float: tuple[str, ...] = ()
    open_inputs: tuple[str, ...] = ()
    crossings: tuple[HostCrossing, ...] = ()

    @property
    def segments(self) -> int:
        """How many times the overlay runs for an image."""
        return len(self.crossings) + 1

    @property
    def head(self) -> tuple[str, ...]:
        """The nodes that the host runs before the overlay."""
        return self.places["head"]

    @property
    def middle(self) -> tuple[str, ...]:
        """The nodes that the host runs between two segments of the overlay."""
        return self.places["middle"]

    @property
    def tail(self) -> tuple[str, ...]:
        """The nodes that the host runs after the overlay."""
        return self.places["tail"]

    @property
    def nodes(self) -> int:
        """All nodes of the model."""
        return sum(map(len, self.places.values()))

    @property
    def supported(self) -> bool:
        return not self.problems
