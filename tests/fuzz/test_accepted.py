"""A few damaged models in the suite: ``python -m tests.fuzz.accepted`` draws thousands."""

from __future__ import annotations

import pytest

from tests.fuzz.accepted import judge


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_what_check_accepts_runs(first: int) -> None:
    for seed in range(first, first + 20):
        verdict = judge(seed)
        assert verdict.good, f"seed {seed}: {verdict.kind}: {verdict.detail}"
