"""The overlay behind the ``CostModel`` protocol: labels, transitions, resources, mappings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from boards.board import U200
from boards.estimate import estimate
from dse.compile.compiler import compile_network
from dse.cost.between import BANDS, pool_cycles
from dse.cost.cost_model import CostModel, Crossing, Label, PoolShape, Saving, as_arrays
from dse.cost.dynamap import Dynamap
from dse.cost.infeasible import Infeasible
from dse.cost.overlay_model import OverlayModel
from dse.cycles.whole_program import program_cycles
from dse.mapping import map_network, sweep
from dse.network.conv_shape import ConvShape
from dse.network.numbers import with_random_numbers
from dse.network.prune import without_dense
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import benchmark
from dse.passes import layer_shapes
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import TRANSFORMS, ConfigError, OverlayConfig

CONV = ConvShape(28, 28, 64, 96, kernel=(3, 3), padding=(1, 1, 1, 1))
BOTH = OverlayConfig(winograd="both", scratch_words=4096)


def test_labels_say_what_the_compiler_is_to_do() -> None:
    model = OverlayModel(template=BOTH)
    labels = model.labels(CONV)
    assert len(labels) == len(set(labels)) == 16
    mapping = LayerMapping({str(label): model.way(label).choice for label in labels})
    entries = mapping.to_json()["layers"]
    assert LayerMapping.from_json({"layers": entries}) == mapping
    assert entries["winograd/IS/f4"] == {"algorithm": "winograd", "tile": 4, "dataflow": "IS"}
    assert entries["kn2row/WS"] == {"algorithm": "kn2row", "dataflow": "WS"}
    assert entries["im2col/NS/fold4"] == {"algorithm": "im2col", "dataflow": "NS", "fold": 4}


@pytest.mark.parametrize(
    ("change", "algorithms", "folds"),
    [
        ({}, {"im2col", "kn2row", "winograd"}, {1, 2, 4}),
        ({"kernel": (1, 1), "padding": (0, 0, 0, 0)}, {"im2col"}, {1, 2, 4}),
        ({"stride": (1, 2)}, {"im2col", "kn2row"}, {1, 2, 4}),
        ({"stride": (1, 2), "unpadded": "why"}, {"im2col", "kn2row"}, {1, 2}),
        ({"dilation": (1, 2), "padding": (2, 2, 2, 2)}, {"im2col", "kn2row"}, {1}),
        ({"groups": 2}, {"im2col", "kn2row", "winograd"}, {1}),
    ],
)
def test_labels_are_the_legal_ones(
    change: dict[str, Any], algorithms: set[str], folds: set[int]
) -> None:
    fields = {"kernel": (3, 3), "padding": (1, 1, 1, 1), **change}
    model = OverlayModel(template=BOTH)
    labels = model.labels(ConvShape(28, 28, 64, 96, **fields))
    assert {label.algorithm for label in labels} == algorithms
    assert {model.way(label).fold for label in labels} == folds


def test_hardware_without_transforms_or_folding() -> None:
    assert {lb.algorithm for lb in OverlayModel().labels(CONV)} == {"im2col", "kn2row"}
    for folds in ((), (1,)):
        assert not any(label.variant for label in OverlayModel(folds=folds).labels(CONV))


def test_what_a_label_saves() -> None:
    model: CostModel = OverlayModel(template=replace(BOTH, winograd="all"))
    savings = {(lb.algorithm, lb.variant): model.saving(lb) for lb in model.labels(CONV)}
    found = {name: savings.pop(("winograd", name)) for name in ("f2", "f4", "f4x1", "f1x3")}
    assert found == {
        "f2": Saving(36 / 16, "F(2,3)"),
        "f4": Saving(4, "F(4,3)"),
        "f4x1": Saving(2, "F(4,3) x 1"),
        "f1x3": Saving(2, "F(3,4) x 1"),
    }
    assert savings.pop(("winograd", "f1x4")) and savings.pop(("winograd", "f3x1"))
    folded = [savings.pop(("winograd", f"f{n}x1 fold{fold}")) for n in (4, 3) for fold in (2, 4)]
    assert folded == [Saving(2, "F(4,3) x 1")] * 2 + [Saving(2, "F(3,4) x 1")] * 2
    assert set(savings.values()) == {None}
    assert OverlayModel().saving(Label("winograd", "WS", "f2")) is None
    assert Dynamap().saving(Label("winograd-f4", "WS")) == Saving(4, "F(4,3)")
    assert Dynamap().saving(Label("im2col", "WS")) is None


def test_costs() -> None:
    model: CostModel = OverlayModel(template=BOTH)
    labels = model.labels(CONV)
    arrays = np.array([[92, 66], [1, 64], [16, 16], [16, 1025]])
    costs = model.cycles(CONV, labels, arrays)
    assert np.isinf(costs[[1, 3]]).all()
    assert np.isfinite(costs[[0, 2]]).all()
    ideal = CONV.macs / model.peak_macs(as_arrays(16, 16))[0]
    for cycles, label in zip(costs[2], labels, strict=True):
        saved = {"f2": 36 / 16, "f4": 144 / 36}.get(label.variant, 1)
        if label == Label("kn2row", "WS"):  # leaves out the padding's taps: 82 of 84 an axis
            saved = (84 / 82) ** 2
        assert cycles > ideal / saved


def test_parts_add_up_to_the_cycles() -> None:
    model = OverlayModel(template=BOTH)
    arrays = np.array([[r, c] for r in (3, 16, 92) for c in (4, 33, 66)])
    for conv in (CONV, ConvShape(14, 14, 96, 96, (3, 3), padding=(1, 1, 1, 1), groups=96)):
        labels = model.labels(conv)
        for label, cycles in zip(labels, model.cycles(conv, labels, arrays).T, strict=True):
            parts = model.split(conv, label, arrays)
            assert set(parts) == {"fill", "array", "load", "drain"}
            assert np.array_equal(sum(parts.values()), cycles)


def test_prefetch_hides_a_share_of_the_wait_for_weights() -> None:
    conv, label = ConvShape(7, 7, 512, 512, (3, 3), padding=(1, 1, 1, 1)), Label("im2col", "WS")
    alone, ahead = (
        OverlayModel(template=replace(BOTH, axi_bytes=4), prefetched=share).split(conv, label, one)
        for share in (0.0, 0.75)
        for one in [as_arrays(16, 16)]
    )
    assert alone["load"][0] > 0
    assert ahead["load"] == alone["load"] / 4
    assert all(ahead[name] == alone[name] for name in ("fill", "array", "drain"))


PLAIN = Label("im2col", "WS")
POOL = PoolShape("max", (3, 3), (2, 2), (28, 28, 96), (14, 14, 96))
TARGET = (Label("plain"),)


def crossing(**fields: Any) -> Crossing:
    shape = POOL.output if fields.get("pools") else POOL.input
    return Crossing(shape=shape, **fields)


def waits(crossing: Crossing, copies: int, arrays: Any) -> Any:
    model = OverlayModel(template=OverlayConfig(tensor_copies=copies))
    return model.transition(crossing, (PLAIN,), TARGET, arrays)[:, 0, 0]


def test_only_results_that_may_lie_dense_are_folded() -> None:
    """Folding pays for ``a``; not where a concatenation or the addition of its own needs it."""
    for kind, folded in (("chain", "abc"), ("concat", "c"), ("copied", "ac"), ("add", "ab")):
        net = OutlineBuilder("net", (16, 16, 3))
        a = net.conv("input", "a", 4, 5)
        b = net.conv(a, "b", 4, 1)
        c = net.conv("input", "c", 4, 5)
        if kind == "concat":
            net.concat("ab", a, b)
        elif kind == "copied":
            net.concat("ab", net.pool(a, "p", 1), b)
        elif kind == "add":
            net.add("sum", a, c)
        mapping = map_network(net.build(), OverlayModel(), 32, 32)
        labels = {layer.name: layer.label for layer in mapping.layers}
        found = "".join(name for name in "abc" if labels[name].variant.startswith("fold"))
        assert found == folded, kind


def test_a_pooling_starves_the_array_of_a_single_memory() -> None:
    arrays = np.array([[8, 4], [8, 16], [8, 64], [8, 128]])
    cycles = pool_cycles(POOL, OverlayConfig(), arrays[:, 1])
    for readers in (1, 2):
        for producer in (None, CONV):
            edge = crossing(pools=(POOL,), readers=readers, producer=producer)
            assert (waits(edge, 1, arrays) - cycles <= 10).all()
            assert (waits(edge, 1, arrays) > cycles).all()
    assert (np.diff(cycles[:3]) < 0).all()  # more lanes
    assert cycles[2] == cycles[3]


def test_two_copies_let_a_pooling_run_beside_the_array() -> None:
    arrays = np.array([[8, 4], [8, 16], [8, 64]])
    beside = crossing(pools=(POOL,), readers=2)
    assert not waits(beside, 2, arrays).any()
    alone = crossing(pools=(POOL,))
    assert waits(alone, 2, arrays).tolist() == waits(alone, 1, arrays).tolist()
    behind = crossing(pools=(POOL,), producer=replace(CONV, pooled=POOL))
    assert not waits(behind, 2, arrays).any()  # it is a part of the convolution's cycles


def tails(conv: ConvShape, copies: int, arrays: Any, **fields: Any) -> Any:
    """[labels, A]: what a pooling behind a convolution adds to it."""
    model = OverlayModel(template=OverlayConfig(tensor_copies=copies, **fields))
    labels = model.labels(conv)
    pooled = replace(conv, pooled=POOL)
    found = model.cycles(pooled, labels, arrays) - model.cycles(conv, labels, arrays)
    for index, label in enumerate(labels):
        parts = model.split(pooled, label, arrays)
        np.testing.assert_allclose(parts["pooling"], found[:, index])
        np.testing.assert_allclose(sum(parts.values()), model.cycles(pooled, [label], arrays)[:, 0])
    return found.T


def test_a_pooling_follows_a_convolution_band_by_band() -> None:
    arrays = np.array([[8, 4], [8, 16], [8, 64]])
    cycles = pool_cycles(POOL, OverlayConfig(), arrays[:, 1])
    assert (np.abs(tails(CONV, 1, arrays) - cycles) <= 10).all()
    found = tails(CONV, 2, arrays)
    assert (found <= cycles + 10).all()
    assert (found >= cycles / max(BANDS)).all()
    assert (found.min(axis=0) < cycles / 2).all()
    small = ConvShape(4, 4, 4, 4)  # shorter than a band may be
    assert (np.abs(tails(small, 2, arrays) - cycles) <= 10).all()


def test_weights_that_each_band_needs_anew_are_counted() -> None:
    """On a narrow bus the last band of few is left: more would wait for weights."""
    arrays = np.array([[8, 64]])
    wide, narrow = (tails(CONV, 2, arrays, axi_bytes=size).min() for size in (64, 4))
    assert wide < narrow


def test_the_graph_tells_who_reads_and_what_is_loaded() -> None:
    """An input of two readers is loaded once; a pooling beside a branch is hidden, another not."""
    net = OutlineBuilder("net", (8, 8, 16))
    ab = net.add("ab", net.conv("input", "a", 16, 1), net.conv("input", "b", 16, 1))
    c = net.conv(net.pool(ab, "p", 2, stride=2), "c", 16, 1)
    net.concat("dq", net.conv(c, "d", 16, 1), net.pool(c, "q", 1))
    network = net.build()
    model = OverlayModel(template=OverlayConfig(tensor_copies=2), folds=())
    mapping = map_network(network, model, 8, 8)
    transfer = {layer.name: layer.transfer for layer in mapping.layers}
    pool = PoolShape("max", (2, 2), (2, 2), (8, 8, 16), (4, 4, 16))
    (cycles,) = pool_cycles(pool, model.template, np.array([8]))
    load = 8 * 8 * 16 / model.template.axi_bytes
    assert transfer["a"] + transfer["b"] == load
    assert cycles <= transfer["c"] <= cycles + 10
    assert transfer["d"] == 0
    assert [store.transfer for store in mapping.stores] == [0] * len(mapping.stores)


def test_dsp_slices_are_those_of_the_estimate() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        model = OverlayModel(template=drawn_template(rng))
        rows, columns = (int(n) for n in rng.integers(2, 130, 2))
        (dsp,) = model.resources(as_arrays(rows, columns))["dsp"]
        assert dsp == estimate(model.config(rows, columns)).dsp


def drawn_template(rng: np.random.Generator) -> OverlayConfig:
    winograd = str(rng.choice(list(TRANSFORMS)))
    return OverlayConfig(
        lanes=int(rng.integers(1, 3)),
        accumulator_bits=int(rng.choice([27, 28, 32])),
        pool_lanes=int(rng.choice([0, 8, 64])),
        winograd=winograd,
        scratch_words=0 if winograd == "none" else 128,
    )


def test_configurations_are_legal_and_else_the_template() -> None:
    template = OverlayConfig(
        rows=2, columns=2, tensor_bytes=256, weight_words=4, parameter_depth=4, axi_bytes=4
    )
    model = OverlayModel(template=template)
    for rows, columns in ((2, 2), (3, 1024), (1024, 2), (100, 66)):
        config = model.config(rows, columns)
        assert (config.rows, config.columns, config.axi_bytes) == (rows, columns, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clock_hz": 0.0}, "clock_hz must be positive"),
        ({"folds": (0,)}, "folds must be positive integers"),
        ({"prefetched": 1.5}, r"prefetched must be within \[0, 1\], not 1.5"),
    ],
)
def test_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OverlayModel(**fields)


def test_mapping_and_sweep() -> None:
    network = without_dense(benchmark("squeezenet"))
    model = OverlayModel(template=BOTH)
    mapping = map_network(network, model, 32, 32)
    assert np.isfinite(mapping.cycles)
    arrays = np.array([[r, c] for r in (16, 32, 64) for c in (16, 32, 64)])
    found = sweep(network, model, U200.budget, arrays=arrays)
    assert found.best.cycles <= mapping.cycles
    with pytest.raises(Infeasible):
        sweep(network, model, {"dsp": 10}, arrays=arrays)


def test_rows_that_are_not_contiguous_are_read_tap_by_tap() -> None:
    model, arrays = OverlayModel(), np.array([[16, 8], [8, 32], [5, 5]])
    whole = ConvShape(14, 14, 6, 32, (5, 5), padding=(2, 2, 2, 2))
    part = replace(whole, contiguous=False)
    im2col, kn2row = [Label("im2col", "IS")], [Label("kn2row", "IS")]
    cycles = [model.cycles(conv, im2col, arrays) for conv in (whole, part)]
    assert (cycles[0] < cycles[1]).all()
    assert (cycles[1] == model.cycles(part, kn2row, arrays)).all()


@pytest.mark.parametrize("axi_bytes", [4, 8, 64])
@pytest.mark.parametrize("array", [(2, 2), (3, 5), (40, 9), (7, 70)])
def test_memories_are_raised_to_the_least(array: tuple[int, int], axi_bytes: int) -> None:
    """Of powers of two none could be halved."""
    sides = {"rows": array[0], "columns": array[1], "axi_bytes": axi_bytes, "pool_lanes": 1}
    raised = OverlayConfig.raised(**sides, tensor_bytes=1, parameter_depth=1, weight_words=1)
    for name in ("tensor_bytes", "parameter_depth", "weight_words"):
        with pytest.raises(ConfigError, match=name):
            replace(raised, **{name: getattr(raised, name) // 2})
    assert OverlayConfig.raised(**sides, tensor_bytes=1 << 40).tensor_bytes == 1 << 28


@pytest.mark.parametrize(
    ("label", "near"),
    [
        (Label("im2col", "WS"), 0.03),
        pytest.param(Label("im2col", "IS"), 0.1, marks=pytest.mark.slow),
        (Label("kn2row", "NS"), 0.03),
        pytest.param(Label("winograd", "WS", "f4"), 0.15, marks=pytest.mark.slow),
        (Label("winograd", "IS", "f4"), 0.15),
        pytest.param(Label("winograd", "WS", "f4x1"), 0.1, marks=pytest.mark.slow),
    ],
)
def test_a_convolution_with_its_pooling_is_near_the_exact_model(label: Label, near: float) -> None:
    """From the convolution's start to the pooling's end, in bands as the compiler cuts them."""
    net = OutlineBuilder("net", (56, 56, 16))
    net.pool(net.conv("input", "conv", 64, 3), "pool", 3, stride=2)
    network = net.build()
    template = replace(
        BOTH,
        winograd="all",
        lanes=2,
        tensor_bytes=1 << 20,
        tensor_copies=2,
        accumulator_depth=2048,
        weight_words=4096,
        axi_bytes=32,
    )
    model = OverlayModel(template=template)
    config = model.config(8, 32)
    mapping = LayerMapping({"conv": model.way(label).choice})
    program = compile_network(with_random_numbers(network), config, mapping)
    layers = {layer.name: layer for layer in program_cycles(program, config).layers}
    exact = layers["pool"].end - layers["conv"].start
    (found,) = model.cycles(layer_shapes(network)["conv"], [label], as_arrays(8, 32))[0]
    assert found == pytest.approx(exact, rel=near)


@pytest.mark.parametrize("seed", range(40))
def test_the_least_of_all_labels(seed: int) -> None:
    """What is ruled out by its waves alone is never the least; single arrays cost as many."""
    rng = np.random.default_rng(seed)
    winograd = str(rng.choice(list(TRANSFORMS)))
    memories = {"scratch_words": int(rng.choice([512, 8192])), "accumulator_bits": 38}
    template = OverlayConfig(
        lanes=int(rng.integers(1, 3)),
        winograd=winograd,
        accumulator_depth=int(rng.choice([64, 512, 8192])),
        weight_words=int(rng.choice([256, 4096])),
        tensor_copies=int(rng.integers(1, 3)),
        parameter_depth=int(rng.choice([64, 4096])),
        **(memories if TRANSFORMS[winograd] else {}),
    )
    kernel = tuple(rng.choice([1, 2, 3, 5, 7], 2).tolist())
    groups = int(rng.choice([1, 1, 2, 8]))
    conv = ConvShape(
        *rng.integers(max(kernel), 70, 2).tolist(),
        groups * int(rng.choice([1, 3, 17, 64])),
        groups * int(rng.choice([1, 5, 33, 100])),
        kernel=kernel,
        stride=tuple(rng.choice([1, 1, 2, 3], 2).tolist()),
        padding=tuple(int(rng.integers(0, k // 2 + 1)) for k in (*kernel, *kernel)),
        groups=groups,
    )
    if seed % 2:
        shape = conv.o1, conv.o2, conv.cout
        conv = replace(conv, pooled=PoolShape("max", (1, 1), (1, 1), shape, shape))
    model = OverlayModel(template=template)
    labels = model.labels(conv)
    arrays = np.stack([rng.integers(2, 120, 50), rng.integers(2, 200, 50)], axis=1)
    cycles = model.cycles(conv, labels, arrays)
    np.testing.assert_array_equal(model.least(conv, labels, arrays), cycles.min(axis=1))
    limit = np.quantile(cycles.min(axis=1), 0.5) * np.ones(len(arrays))
    expected = np.minimum(limit, cycles.min(axis=1))
    np.testing.assert_array_equal(model.least(conv, labels, arrays, limit), expected)
    for array, one in zip(arrays[:5], cycles, strict=False):
        np.testing.assert_array_equal(model.cycles(conv, labels, array[None])[0], one)
        assert model.least(conv, labels, array[None])[0] == one.min()
        assert model.least_waves(conv, *array.tolist()) < one.min()
