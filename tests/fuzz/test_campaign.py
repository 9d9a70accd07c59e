"""The driver of the fuzzers: nothing bad goes unseen."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.fuzz.campaign import Batches, Verdict, campaign, command


def judge(seed: int) -> Verdict:
    """Every third case is bad, every fifth raises."""
    if seed % 5 == 4:
        raise RuntimeError("a fault\nin two lines")
    return Verdict(kind="odd" if seed % 2 else "even", good=seed % 3 != 2, detail=f"case {seed}")


def test_counts_and_names_the_bad() -> None:
    found = campaign(judge, range(10), workers=1)
    assert found.count == 10
    assert found.kinds == {"RuntimeError raised": 2, "even": 4, "odd": 4}
    assert [one.seed for one in found.bad] == [2, 4, 5, 8, 9]
    assert found.bad[1].detail == "a fault in two lines"


@pytest.mark.parametrize(("first", "code"), [(0, 0), (2, 1), (4, 1)])
def test_exit_code(first: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--first", str(first), "--count", "1", "--workers", "1", "--json"]
    assert command(judge, "", count=5, argv=arguments) == code
    assert json.loads(capsys.readouterr().out)["count"] == 1


def test_processes_judge_the_same() -> None:
    one, two = (campaign(judge, range(4), workers=workers) for workers in (1, 2))
    assert (one.kinds, one.bad) == (two.kinds, two.bad)


def judge_all(seeds: Sequence[int]) -> list[Verdict]:
    return [judge(seed) for seed in seeds]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_batches_judge_the_same(size: int) -> None:
    """One that raises is judged seed by seed."""
    one, two = (
        campaign(each, range(10), workers=1)
        for each in (judge, Batches(judge=judge_all, size=size))
    )
    assert (one.count, one.kinds, one.bad) == (two.count, two.kinds, two.bad)
