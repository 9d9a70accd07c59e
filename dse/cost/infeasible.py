"""The refusal: a request that no design meets, with the bound it breaks and the way out."""

from __future__ import annotations

from hw.isa.errors import PolymapError


class Infeasible(PolymapError, ValueError):
    """No design meets the request.

    Members
    -------
    bound : what is exceeded, e.g. ``dsp`` or ``latency_ms``.
    needed, available : the least that the request takes, and what there is.
    remedy : what would make the request feasible.
    """

    def __init__(self, what: str, *, bound: str, needed: float, available: float, remedy: str):
        self.bound = bound
        self.needed = needed
        self.available = available
        self.remedy = remedy
        super().__init__(
            f"{what}: {bound} needed {needed:,.6g}, available {available:,.6g}, "
            f"short by {needed - available:,.6g}; {remedy}"
        )
