"""How many examples hypothesis draws: a few, and more in the slow tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings


def examples(few: int, many: int) -> pytest.MarkDecorator:
    """``drawn``: settings of a few examples; of many if slow."""
    fast, slow = (
        settings(max_examples=n, deadline=None, suppress_health_check=list(HealthCheck))
        for n in (few, many)
    )
    each = [fast, pytest.param(slow, marks=pytest.mark.slow)]
    return pytest.mark.parametrize("drawn", each, ids=[str(few), str(many)])
