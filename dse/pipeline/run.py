"""One run of the parallelism search: both searches, and what they say about each other."""

from dataclasses import dataclass, replace
from enum import Enum

from dse.pipeline.chip_budget import Budget
from dse.pipeline.design import Design
from dse.pipeline.exact import Exact, Progress, search_exact
from dse.pipeline.filtered import Filtered, search_filtered
from dse.pipeline.model.cost import StageModel
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain
from dse.pipeline.model.search_error import WindowError
from dse.pipeline.recount import fitting
from dse.pipeline.shortfall import Shortfall, find_shortfall
from dse.pipeline.windows import Windows


class Method(Enum):
    """Whose design a run hands out."""

    FILTERED = "filtered"  # the nine published steps
    EXACT = "exact"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a run.

    Parameters
    ----------
    method : Method
        Whose design `design` is.
    filtered : Filtered or None
        Result of the nine steps; None when their windows hold no design.
    exact : Exact
        Result of the exact search.
    shortfall : Shortfall or None
        The memory that the optimum lacks, None when its multipliers bind.
    """

    method: Method
    filtered: Filtered | None
    exact: Exact
    shortfall: Shortfall | None

    @property
    def design(self) -> Design:
        """The design of the chosen method."""
        if self.method is Method.FILTERED and self.filtered is not None:
            return self.filtered.design
        return self.exact.design

    @property
    def seconds(self) -> float:
        """Wall-clock time of the chosen method."""
        if self.method is Method.FILTERED and self.filtered is not None:
            return self.filtered.seconds
        return self.exact.seconds

    @property
    def optimum_proved(self) -> bool:
        """Whether the design meets the lower bound of the exact search."""
        return self.design.cycles == self.exact.lower_bound

    @property
    def loss_percent(self) -> float | None:
        """Throughput which the windows and filters cost, against the exact optimum."""
        if self.filtered is None:
            return None
        return 100 * (1 - self.exact.design.cycles / self.filtered.design.cycles)


def run(
    network: Chain,
    device: Device,
    model: StageModel,
    budget: Budget,
    *,
    method: Method = Method.FILTERED,
    windows: Windows | None = None,
    progress: Progress = lambda _: None,
) -> Outcome:
    """Search with both methods for a design that fits as its stages are built.

    Raises
    ------
    BudgetError
        When no design fits.
    WindowError
        When the windows hold no design and ``method`` asks for it.
    """
    progress("nine steps")
    try:
        filtered = fitting(
            lambda given: search_filtered(network, device, model, given, windows=windows), budget
        )
    except WindowError:
        if method is Method.FILTERED:
            raise
        filtered = None
    bounds: list[int] = []  # the first search has all memory: what it proves, holds

    def exactly(given: Budget) -> Exact:
        found = search_exact(network, device, model, given, progress=progress)
        bounds.append(found.lower_bound)
        return replace(found, lower_bound=bounds[0])

    exact = fitting(exactly, budget)
    progress("what binds")
    return Outcome(
        method=method,
        filtered=filtered,
        exact=exact,
        shortfall=find_shortfall(exact, budget),
    )
