"""A few explorations of random networks; the many are a command."""

from __future__ import annotations

from tests.fuzz.campaign import campaign
from tests.fuzz.explorations import judge

SEEDS = (1, 2, 28, 1032, 1039, 3002, 3003, 3004)  # without RTL; refusals, no convolution, a summand


def test_what_is_explored_comes_true() -> None:
    found = campaign(judge, SEEDS, workers=1)
    assert found.bad == ()
    assert found.kinds["kept"] >= 5
