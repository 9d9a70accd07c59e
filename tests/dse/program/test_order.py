"""The execution order: dependencies are kept, and waiting shortens the whole or is not done."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.compile.order import Needs, Scheduler

Jobs = tuple[Needs, list[int], list[int], list[bool]]


@st.composite
def jobs(draw: st.DrawFn) -> Jobs:
    """Needs, cycles, latencies and engines of a few layers."""
    count = draw(st.integers(1, 9))
    needs = [
        frozenset(draw(st.sets(st.integers(0, index - 1), max_size=2)) if index else ())
        for index in range(count)
    ]
    cycles = draw(st.lists(st.integers(1, 30), min_size=count, max_size=count))
    on_array = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return needs, cycles, [3 * array for array in on_array], on_array


def end(order: Sequence[int], what: Jobs) -> int:
    """When all is done if each engine takes its layers in this order."""
    needs, cycles, latencies, on_array = what
    free, finish = {True: 0, False: 0}, dict[int, int]()
    for one in order:
        start = max([free[on_array[one]], *(finish[other] for other in needs[one])])
        free[on_array[one]] = start + cycles[one]
        finish[one] = free[on_array[one]] + latencies[one]
    return max(finish.values())


@settings(max_examples=300, deadline=None)
@given(jobs())
def test_an_order_keeps_dependencies_and_is_no_longer_than_the_greedy_one(what: Jobs) -> None:
    scheduler = Scheduler(*what)
    order = scheduler.best()
    assert sorted(order) == list(range(len(what[0])))
    for place, one in enumerate(order):
        assert what[0][one] <= set(order[:place])
    greedy = list(scheduler.greedy().starts)
    assert end(greedy, what) == scheduler.greedy().end
    assert end(order, what) <= end(greedy, what)


def first_come(what: Jobs) -> list[int]:
    """What can start first comes next; of several, what has the longest chain behind it."""
    needs, cycles, latencies, on_array = what
    behind = list(cycles)
    for one in reversed(range(len(needs))):
        for other in needs[one]:
            behind[other] = max(behind[other], cycles[other] + behind[one])
    free, finish = {True: 0, False: 0}, dict[int, int]()
    order: list[int] = []
    while len(order) < len(needs):
        starts = {
            one: max([free[on_array[one]], *(finish[other] for other in needs[one])])
            for one in range(len(needs))
            if one not in finish and needs[one] <= finish.keys()
        }
        one = min(starts, key=lambda one: (starts[one], -behind[one], one))
        free[on_array[one]] = starts[one] + cycles[one]
        finish[one] = free[on_array[one]] + latencies[one]
        order.append(one)
    return order


@settings(max_examples=300, deadline=None)
@given(jobs())
def test_the_greedy_order_takes_what_can_start_first(what: Jobs) -> None:
    assert list(Scheduler(*what).greedy().starts) == first_come(what)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_long_pooling_lets_copies_pass(copies: int) -> None:
    """A convolution whose copied results are read, beside a long pooling for which there is time.

    The pooling alone is ready at once; what waits for the copies would wait for it.
    """
    # 0: pooling, 1: its reader, 2: convolution, then copies, and their readers.
    needs: list[frozenset[int]] = [frozenset(), frozenset({0}), frozenset()]
    cycles, on_array = [100, 20, 40], [False, True, True]
    for _ in range(copies):
        needs += [frozenset({2}), frozenset({len(needs)})]
        cycles += [5, 70]
        on_array += [False, True]
    what = needs, cycles, [3 * array for array in on_array], on_array
    scheduler = Scheduler(*what)
    order = scheduler.best()
    assert all(order.index(3 + 2 * copy) < order.index(0) for copy in range(copies))
    assert end(order, what) < scheduler.greedy().end
