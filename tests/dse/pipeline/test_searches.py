"""Both searches on real networks, against the paper and against each other."""

import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest

from benchmarks.published import load_published
from dse.pipeline import (
    Budget,
    BudgetError,
    Chain,
    Design,
    Device,
    Filtered,
    Granule,
    Method,
    Outcome,
    WindowError,
    Windows,
    cost_model,
    device_budget,
    load_device,
    load_network,
    run,
    search_exact,
    search_filtered,
)
from dse.pipeline.chip_budget import UNLIMITED, least_blocks, plan_candidates
from dse.pipeline.model.cost import candidates
from dse.pipeline.model.loads import parse_network
from dse.pipeline.model.plan import plans
from hw.stages.scheme import Scheme

ALEXNET = load_network("alexnet")
KCU1500, VX485T = load_device("kcu1500"), load_device("vx485t")
ROWS = load_published()
SLOW = pytest.mark.slow


@cache
def _filtered(name: str) -> Filtered:
    device = load_device(name)
    return search_filtered(ALEXNET, device, cost_model(device), device_budget(device))


@cache
def _outcome(name: str) -> Outcome:
    device = load_device(name)
    return run(ALEXNET, device, cost_model(device), device_budget(device))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_at_or_above_the_paper_and_proved(row: dict) -> None:
    device = load_device(row["name"])
    outcome = _outcome(row["name"])
    design = outcome.design
    assert design.r1 >= row["R1"]
    assert design.dsp <= row["dsp"]
    assert design.ram <= device.ram_blocks
    assert outcome.filtered is not None
    assert outcome.filtered.counts.compression_percent >= 99.9
    assert outcome.optimum_proved
    assert outcome.exact.proved
    assert outcome.loss_percent == 0


def test_mean_r1() -> None:
    assert fmean(_filtered(row["name"]).design.r1 for row in ROWS) >= 0.97


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_published_bound_of_whole_rows(row: dict) -> None:
    device = load_device(row["name"])
    exact = search_exact(
        ALEXNET,
        device,
        cost_model(device, granule=Granule.ROW),
        device_budget(device, ram_limit=False),
    )
    assert f"{exact.design.r1:.3f}" == f"{row['dsp_only_R1']:.3f}"
    assert exact.proved


def test_counts_never_grow() -> None:
    counts = _filtered("kcu1500").counts
    steps = np.array([counts.product, counts.knees, counts.windows, counts.coarse, counts.fine])
    assert np.all(np.diff(steps, axis=0) <= 0)
    assert counts.product[0] == 3 * 96 * 55**2


@pytest.mark.parametrize(
    ("network", "device", "bits", "per_dsp"),
    [
        pytest.param("vgg16", "kcu1500", 16, None, marks=SLOW),
        pytest.param("vgg16", "ku060", 8, 2, marks=SLOW),
        ("resnet18", "ku060", 8, 2),
        ("resnet18", "vx690t", 16, None),
        ("resnet18", "arria10gt1150", 8, 1),
    ],
)
def test_other_networks(network: str, device: str, bits: int, per_dsp: int | None) -> None:
    part = load_device(device)
    model = cost_model(part, bits=bits, per_dsp=per_dsp)
    result = search_filtered(load_network(network), part, model, device_budget(part))
    assert result.design.r1 > 0.9
    assert result.design.dsp <= part.dsp
    assert result.design.ram <= part.ram_blocks
    assert max(stage.cycles for stage in result.design.stages) == result.design.cycles
    used = sum(result.design.utilisation(stage) * stage.dsp for stage in result.design.stages)
    assert result.design.r2 == pytest.approx(used / result.design.dsp)


def _chain(size: int, *channels: int) -> Chain:
    """3 x 3 convolutions of a small map, from each number of channels to the next."""
    layer = {"size_in": size, "size_out": size, "size_ker": 3, "stride": 1, "pad": 1}
    layers = [
        {"name": f"C{number}", "n_in": n_in, "n_out": n_out, **layer}
        for number, (n_in, n_out) in enumerate(pairwise(channels), 1)
    ]
    return parse_network("chain", json.dumps({"layers": layers}))


@pytest.mark.parametrize(("dsp", "ram"), [(40, 40), (40, 20), (100, 60), (17, 16)])
def test_exact_search_is_brute_force(dsp: int, ram: int) -> None:
    """Over every plan and every combination of candidates of a three-stage network."""
    network, device = _chain(4, 2, 4, 6, 3), KCU1500
    model = cost_model(device)
    best = UNLIMITED
    for plan in plans(network):
        first, second, third = (
            candidates(stage, scheme, model)
            for stage, scheme in zip(network.stages, plan, strict=True)
        )

        used = np.add.outer(np.add.outer(first.dsp, second.dsp), third.dsp)
        held = np.add.outer(np.add.outer(first.ram, second.ram), third.ram)
        slower = np.maximum.outer(np.maximum.outer(first.cycles, second.cycles), third.cycles)
        period = slower[(used <= dsp) & (held <= ram)]
        best = min(best, int(period.min(initial=UNLIMITED)))
    exact = search_exact(network, device, model, Budget(dsp=dsp, ram=ram))
    assert exact.lower_bound == exact.design.cycles == best


@pytest.mark.parametrize(
    ("network", "dsp", "ram"),
    [(_chain(8, 6, 8, 6, 8), 40, 24), pytest.param(ALEXNET, KCU1500.dsp, 600, marks=SLOW)],
    ids=["chain", "alexnet"],
)
def test_memory_limit_is_respected_and_explained(network: Chain, dsp: int, ram: int) -> None:
    device = KCU1500
    outcome = run(network, device, cost_model(device), Budget(dsp=dsp, ram=ram))
    shortfall = outcome.shortfall
    assert outcome.design.ram <= ram
    assert outcome.design.cycles > outcome.exact.dsp_bound
    assert shortfall is not None
    assert shortfall.missing == shortfall.needed - ram
    enough = Budget(dsp=dsp, ram=shortfall.needed)
    short = Budget(dsp=dsp, ram=shortfall.needed - 1)
    bound = outcome.exact.dsp_bound
    assert search_exact(network, device, cost_model(device), enough).lower_bound == bound
    assert search_exact(network, device, cost_model(device), short).lower_bound > bound
    assert shortfall.stage in shortfall.sentence(device.ram)


@pytest.mark.parametrize(
    ("network", "device", "budget"),
    [
        (_chain(12, 2, 16, 12, 16), KCU1500, Budget(dsp=20, ram=24)),
        pytest.param(load_network("resnet18"), VX485T, device_budget(VX485T), marks=SLOW),
    ],
    ids=["chain", "resnet18"],
)
def test_loss_of_the_first_plan_is_measured(network: Chain, device: Device, budget: Budget) -> None:
    """A plan that reads weights again would be faster than the first."""
    outcome = run(network, device, cost_model(device), budget)
    assert outcome.filtered is not None
    assert outcome.loss_percent is not None
    assert outcome.loss_percent > 0
    assert not outcome.optimum_proved
    assert outcome.exact.proved
    exact = run(network, device, cost_model(device), budget, method=Method.EXACT)
    assert exact.optimum_proved
    assert exact.design.cycles < outcome.design.cycles
    assert Scheme.BAND in _schemes(exact.design)
    assert Scheme.BAND not in _schemes(outcome.design)


def _schemes(design: Design) -> list[Scheme]:
    return [stage.scheme for stage in design.stages]


def test_no_shortfall_when_the_multipliers_bind() -> None:
    assert _outcome("vx485t").shortfall is None


@pytest.mark.parametrize("search", [search_exact, search_filtered])
@pytest.mark.parametrize(
    ("network", "dsp", "ram", "message"),
    [
        ("alexnet", 4, 4000, "alexnet: needs at least 5 DSP blocks, the budget is 4"),
        (
            "alexnet",
            5520,
            200,
            "alexnet: needs at least 148 BRAM36 at 16 bits, the budget is 100 BRAM36",
        ),
        pytest.param(
            "vgg16", 2760, 2160, "vgg16: needs at least 1240 BRAM36 at 16 bits", marks=SLOW
        ),
    ],
)
def test_impossible_budgets(
    search: Callable[..., object], network: str, dsp: int, ram: int, message: str
) -> None:
    device = load_device("kcu1500")
    with pytest.raises(BudgetError, match=message) as caught:
        search(load_network(network), device, cost_model(device), Budget(dsp=dsp, ram=ram))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bits", [8, pytest.param(16, marks=SLOW)])
def test_least_budget_is_enough(bits: int) -> None:
    """The least DSP and the least memory fit together, and one block less of either does not."""
    device = load_device("kcu1500")
    model = cost_model(device, bits=bits)
    table = plan_candidates(ALEXNET, plans(ALEXNET), model)
    ram = min(least_blocks(stages).ram for stages in table)
    serial = search_exact(ALEXNET, device, model, Budget(dsp=5, ram=ram)).design
    assert (serial.dsp, serial.ram) == (5, ram)
    assert serial.cycles == max(stage.macs for stage in ALEXNET.stages)
    with pytest.raises(BudgetError, match="BRAM36"):
        search_exact(ALEXNET, device, model, Budget(dsp=5, ram=ram - 1))
    with pytest.raises(BudgetError, match="DSP"):
        search_exact(ALEXNET, device, model, Budget(dsp=4, ram=ram))


def test_windows_without_a_design() -> None:
    device = load_device("kcu1500")
    model, budget, narrow = cost_model(device), device_budget(device), Windows(alpha=0, beta=0)
    with pytest.raises(WindowError, match="no design on kcu1500 within alpha 0 and beta 0; widen"):
        run(ALEXNET, device, model, budget, windows=narrow)
    outcome = run(ALEXNET, device, model, budget, windows=narrow, method=Method.EXACT)
    assert outcome.filtered is None
    assert outcome.optimum_proved


def test_widening_finds_designs_on_few_dsp() -> None:
    part = load_device("kcu1500")
    result = search_filtered(ALEXNET, part, cost_model(part), Budget(dsp=20, ram=4000))
    assert result.windows.alpha > Windows().alpha
    assert result.design.dsp <= 20


def test_dram_traffic_counts_weights_and_images() -> None:
    """AlexNet's first plan reads every weight but the first layer's once per image."""
    design = _filtered("kcu1500").design
    assert _schemes(design) == [Scheme.LINE, *[Scheme.MAP] * 4]
    weights = sum(stage.weights for stage in ALEXNET.stages[1:])
    words = weights + 3 * 227**2 + 256 * 6**2
    seconds = design.cycles / 230e6
    assert design.dram_gb_per_s(230) == pytest.approx(2 * words / seconds / 1e9)
