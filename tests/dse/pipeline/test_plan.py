"""The order of LINE, BAND and MAP stages."""

import pytest

from dse.pipeline import load_network
from dse.pipeline.model.plan import plans
from hw.stages.scheme import Scheme


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18"])
def test_plans_are_legal_and_distinct(name: str) -> None:
    network = load_network(name)
    every = plans(network)
    assert len(set(every)) == len(every)
    for plan in every:
        assert len(plan) == len(network.stages)
        maps = [scheme is Scheme.MAP for scheme in plan]
        assert maps == sorted(maps)  # nothing but MAP after the first MAP


def test_plans_without_rereading_come_first() -> None:
    network = load_network("vgg16")
    rereads = [Scheme.BAND in plan for plan in plans(network)]
    assert rereads == sorted(rereads)
    assert rereads.count(False) == len(network.stages) + 1
    assert any(rereads)


def test_first_plan_keeps_small_weights_and_small_maps() -> None:
    line, full = Scheme.LINE, Scheme.MAP
    assert plans(load_network("alexnet"))[0] == (line, full, full, full, full)
    assert plans(load_network("vgg16"))[0] == (line,) * 7 + (full,) * 6
