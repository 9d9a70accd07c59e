"""Compiler against golden model, by the functional model: random networks, arrays and orders."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.assembly.instruction import Instruction
from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.batches import of_image, together
from dse.network.graph import (
    Add,
    Combine,
    Concat,
    Conv,
    Gain,
    Network,
    Normalisation,
    Numbers,
    Operator,
    Pool,
    Quantisation,
    Reshape,
    Tensor,
    Window,
)
from dse.network.operators import Combination
from dse.network.prune import prune
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Dataflow, Engine, Opcode
from hw.isa.config import OverlayConfig
from sim import functional, golden
from tests.kit.examples import examples
from tests.kit.tables import with_tables

COMBINATIONS: tuple[Combination, ...] = get_args(Combination)


@dataclass
class Builder:
    """Grows a network of small random operators; every method returns the new tensor's name."""

    rng: np.random.Generator
    tensors: dict[str, Tensor] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)

    def tensor(self, shape: Sequence[int], like: str | None = None) -> str:
        name = f"t{len(self.tensors)}"
        quantisation = Quantisation(self.rng.uniform(0.5, 1.5), int(self.rng.integers(-40, 40)))
        if like is not None:
            quantisation = self.tensors[like].quantisation
        height, width, channels = map(int, shape)
        self.tensors[name] = Tensor(name, height, width, channels, quantisation)
        return name

    def input(self, *shape: int) -> str:
        name = self.tensor(shape)
        self.inputs.append(name)
        return name

    def conv(self, source: str, cout: int, window: Window, groups: int = 1) -> str:
        x = self.tensors[source]
        ky, kx = window.kernel
        cin = x.channels // groups
        out = self.tensor((*window.output(x.height, x.width), cout))
        scale = self.tensors[out].quantisation.scale / x.quantisation.scale
        spread = self.rng.uniform(0.005, 0.02, cout) / np.sqrt(ky * kx * cin)
        weight = self.rng.integers(-127, 128, (cout, ky, kx, cin)).astype(np.int8)
        bias = self.rng.integers(-3000, 3000, cout).astype(np.int32)
        low = int(self.rng.choice([-128, -20]))
        name = f"conv{len(self.operators)}"
        conv = Conv(name, source, out, window, groups, Numbers(weight, scale * spread, bias, low))
        self.operators.append(conv)
        return out

    def pool(
        self, source: str, kind: str, window: Window, padded: bool = False, more: bool = False
    ) -> str:
        """``more``: also windows that only start in the image (ONNX ceil_mode)."""
        x = self.tensors[source]
        extents = [
            size + (more and size * stride - before < extent)
            for size, stride, before, extent in zip(
                window.output(x.height, x.width),
                window.stride,
                window.padding[:2],
                x.shape[:2],
                strict=True,
            )
        ]
        out = self.tensor((*extents, x.channels))
        name = f"pool{len(self.operators)}"
        self.operators.append(Pool(name, source, out, kind, window, padded))  # type: ignore[arg-type]
        return out

    def add(self, a: str, b: str) -> str:
        out = self.tensor(self.tensors[a].shape)
        self.operators.append(Add(f"add{len(self.operators)}", a, b, out, low=-100))
        return out

    def multiply(self, a: str, b: str) -> str:
        """Its scale ends at 1000: products of products would leave what factors represent."""
        out = self.tensor(self.tensors[a].shape)
        one, other, own = self.tensors[a], self.tensors[b], self.tensors[out]
        scale = min(1000.0, float(one.scale * other.scale * self.rng.uniform(10, 200)))
        self.tensors[out] = replace(own, quantisation=Quantisation(scale, own.zero_point))
        self.operators.append(Combine(f"multiply{len(self.operators)}", a, b, out, low=-110))
        return out

    def combine(self, a: str, b: str, combination: Combination) -> str:
        """``b`` may be of one pixel, or of one channel."""
        if combination == "product":
            return self.multiply(a, b)
        out = self.tensor(self.tensors[a].shape)
        name = f"combine{len(self.operators)}"
        self.operators.append(Combine(name, a, b, out, high=120, combination=combination))
        return out

    def normalise(self, source: str, reach: int = 2, window: Window | None = None) -> str:
        """A maximum of normalised values; the gains fall from 1 to about a third."""
        window = window or Window()
        x = self.tensors[source]
        out = self.tensor((*window.output(x.height, x.width), x.channels))
        known = Normalisation(reach, Gain(1 / (20000 * x.scale**2), 0.75, 1.0))
        name = f"normalise{len(self.operators)}"
        self.operators.append(Pool(name, source, out, "max", window, normalisation=known))
        return out

    def concat(self, *names: str) -> str:
        """Concatenates; operands of another quantisation are requantised first."""
        inputs = [names[0]]
        for name in names[1:]:
            if self.tensors[name].quantisation != self.tensors[names[0]].quantisation:
                copy = self.tensor(self.tensors[name].shape, like=names[0])
                index = len(self.operators)
                self.operators.append(Pool(f"pool{index}", name, copy, "max", Window()))
                name = copy
            inputs.append(name)
        channels = sum(self.tensors[name].channels for name in inputs)
        out = self.tensor((*self.tensors[names[0]].shape[:2], channels), like=names[0])
        self.operators.append(Concat(f"concat{len(self.operators)}", tuple(inputs), out))
        return out

    def flatten(self, source: str) -> str:
        out = self.tensor((1, 1, self.tensors[source].size), like=source)
        self.operators.append(Reshape(f"reshape{len(self.operators)}", source, out))
        return out

    def build(self, *outputs: str) -> Network:
        named = tuple(dict.fromkeys(outputs))
        return Network("net", self.tensors, tuple(self.operators), tuple(self.inputs), named)


@st.composite
def windows(draw: st.DrawFn, height: int, width: int) -> Window:
    """Windows with at least one output pixel and no window outside the image."""
    axes = []
    for size in (height, width):
        kernel = draw(st.integers(1, min(5, size)))
        dilation = draw(st.integers(1, 2)) if 2 * (kernel - 1) + 1 <= size else 1
        reach = (kernel - 1) * dilation
        before, after = (draw(st.integers(0, min(reach, dilation * (kernel // 2)))) for _ in "ab")
        axes.append((kernel, draw(st.integers(1, 3)), dilation, before, after))
    (ky, sy, dy, top, bottom), (kx, sx, dx, left, right) = axes
    return Window((ky, kx), (sy, sx), (dy, dx), (top, left, bottom, right))


@st.composite
def networks(draw: st.DrawFn, without: frozenset[str] = frozenset()) -> Network:
    """Small graphs with branches; ``without`` layers of some kinds."""
    b = Builder(np.random.default_rng(draw(st.integers(0, 1 << 32))))
    extents = st.integers(1, 9)
    names = [b.input(draw(extents), draw(extents), draw(st.integers(1, 12)))]
    if draw(st.integers(0, 4)) == 0:
        names.append(b.input(draw(extents), draw(extents), draw(extents)))
    for _ in range(draw(st.integers(1, 6))):
        source = draw(st.sampled_from(names))
        x = b.tensors[source]
        alike = [n for n in names if b.tensors[n].shape == x.shape]
        even = [n for n in names if b.tensors[n].shape[:2] == x.shape[:2]]
        kinds = ["conv", "same", "group", "pool", "add", "multiply", "combine", "normalise"]
        kinds += ["concat", "fc", "depthwise"]
        match draw(st.sampled_from([kind for kind in kinds if kind not in without])):
            case "conv":
                window = draw(windows(x.height, x.width))
                names.append(b.conv(source, draw(st.integers(1, 14)), window))
            case "same":
                names.append(b.conv(source, x.channels, Window((3, 3), padding=(1, 1, 1, 1))))
            case "group":
                groups = draw(st.sampled_from([g for g in range(1, 13) if x.channels % g == 0]))
                window = draw(windows(x.height, x.width))
                names.append(b.conv(source, groups * draw(st.integers(1, 3)), window, groups))
            case "depthwise":
                window = draw(windows(x.height, x.width))
                names.append(b.conv(source, x.channels, window, x.channels))
            case "pool":
                kind = draw(st.sampled_from(["max", "average"]))
                window = draw(windows(x.height, x.width))
                flags = draw(st.booleans()), draw(st.booleans())
                names.append(b.pool(source, kind, window, *flags))
            case "add":
                names.append(b.add(source, draw(st.sampled_from(alike))))
            case "multiply":
                gates = [n for n in names if b.tensors[n].shape == (1, 1, x.channels)]
                names.append(b.multiply(source, draw(st.sampled_from(alike + 2 * gates))))
                if draw(st.booleans()):
                    gate = b.pool(source, "average", Window((x.height, x.width)))
                    names += [gate, b.multiply(source, gate)]
            case "combine":
                kind = draw(st.sampled_from(COMBINATIONS))
                sizes = {(1, 1), (x.height, x.width)}, {1, x.channels}
                fits = [
                    n
                    for n in names
                    if b.tensors[n].shape[:2] in sizes[0] and b.tensors[n].channels in sizes[1]
                ]
                names.append(b.combine(source, draw(st.sampled_from(fits)), kind))
                if draw(st.booleans()):
                    plane = b.conv(source, 1, Window())
                    names += [plane, b.combine(source, plane, kind)]
            case "normalise":
                reach = draw(st.integers(0, 2))
                window = draw(st.sampled_from([Window(), draw(windows(x.height, x.width))]))
                names.append(b.normalise(source, reach, window))
            case "concat":
                more = draw(st.lists(st.sampled_from(even), min_size=1, max_size=2))
                names.append(b.concat(source, *more))
            case "fc":
                if draw(st.booleans()):
                    names.append(b.conv(source, draw(extents), Window((x.height, x.width))))
                else:
                    flat = b.flatten(source)
                    names += [flat, b.conv(flat, draw(extents), Window())]
    more = draw(st.lists(st.sampled_from(names), max_size=2))
    share = draw(st.sampled_from([0.0, 0.0, 0.4, 1.0]))
    return with_tables(prune(b.build(names[-1], *more)), b.rng, share)


@st.composite
def configs(draw: st.DrawFn) -> OverlayConfig:
    """Small arrays and memories."""
    rows, columns = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    least, axi_bytes = 2 * max(rows, columns), 1 << draw(st.integers(3, 4))
    return OverlayConfig(
        rows=rows,
        columns=columns,
        lanes=draw(st.integers(1, 2)),
        tensor_bytes=1 << draw(st.integers(8, 14)),
        accumulator_depth=1 << draw(st.integers(2, 6)),
        weight_words=draw(st.integers(least, 8 * least)),
        parameter_depth=1 << draw(st.integers(5, 8)),
        tensor_copies=draw(st.integers(1, 2)),
        axi_bytes=axi_bytes,
        normalisation=1,
        pairs=1,
        tables=draw(st.integers(1, 3)),
        depthwise=draw(st.integers(0, 5)),
        pool_lanes=draw(st.integers(0, 9)),
    )


def check(
    network: Network,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    seeds: int = 3,
    batch: int = 1,
) -> Program:
    """Compile, execute in several orders, and compare everything that can be observed.

    Of a batch in another order than the program's, that are the outputs: a strip of one image may
    take the place of rows that have been read before the last ones of their tensor are there.
    """
    program = compile_network(network, config, mapping, batch)
    rng = np.random.default_rng(7)
    images = [
        {
            name: rng.integers(-128, 128, network.tensors[name].shape).astype(np.int8)
            for name in network.inputs
        }
        for _ in range(batch)
    ]
    expected = together([golden.run(network, image) for image in images], batch)
    outputs = {of_image(name, image, batch) for image in range(batch) for name in network.outputs}
    for seed in (None, *range(seeds)):
        run = functional.run(program, config, together(images, batch), seed)
        assert set(run.outputs) == outputs
        observed = run.tensors if batch == 1 or seed is None else {}
        for name, value in {**observed, **run.outputs}.items():
            if name in expected:
                np.testing.assert_array_equal(value, expected[name], f"{name}, seed {seed}")
    return program


def grown(network: Network, config: OverlayConfig, batch: int = 1) -> OverlayConfig:
    """The configuration with the smallest memories that the network can be compiled for."""
    while True:
        try:
            compile_network(network, config, batch=batch)
        except ProgramError as error:
            name = next(n for n in ("tensor_bytes", "parameter_depth") if n in str(error))
            config = replace(config, **{name: 2 * getattr(config, name)})
        else:
            return config


@examples(60, 300)
def test_random_networks(drawn: settings) -> None:
    """Layers without a choice are the compiler's, so that it takes depthwise ones off the array."""

    @drawn
    @given(
        networks(),
        configs(),
        st.lists(st.sampled_from([None, *map(Choice, (None, *Dataflow))]), min_size=1),
    )
    def same_bytes(network: Network, config: OverlayConfig, choices: list[Choice | None]) -> None:
        config = grown(network, config)
        names = [conv.name for conv in network.convolutions()]
        chosen = zip(names, itertools.cycle(choices), strict=False)
        check(network, config, LayerMapping({n: one for n, one in chosen if one is not None}))

    same_bytes()


@examples(30, 120)
def test_random_batches(drawn: settings) -> None:
    """Each image's bytes are those that it has alone."""

    @drawn
    @given(networks(), configs(), st.integers(2, 4))
    def same_bytes(network: Network, config: OverlayConfig, batch: int) -> None:
        check(network, grown(network, config, batch), seeds=2, batch=batch)

    same_bytes()


def test_rows_of_an_input_that_nobody_reads() -> None:
    """They come before another tensor takes their place."""
    b = Builder(np.random.default_rng(3))
    pooled = b.pool(b.input(2, 1, 1), "max", Window(stride=(2, 1)))
    network = b.build(b.conv(pooled, 1, Window((3, 3), padding=(1, 1, 1, 1))))
    config = replace(SMALL, tensor_bytes=256)
    program = compile_network(network, config, batch=4)
    images = [{"t0": np.full((2, 1, 1), 5 * k, np.int8)} for k in range(4)]
    for seed in range(20):
        for name, found in functional.run(
            program, config, together(images, 4), seed
        ).tensors.items():
            if name.endswith("/t0"):
                np.testing.assert_array_equal(found, images[int(name[0])]["t0"])


def branchy() -> Network:
    """Everything that needs tokens: branches, concat, residual, pooling, two outputs."""
    b = Builder(np.random.default_rng(3))
    same = Window((3, 3), padding=(1, 1, 1, 1))
    x = b.input(6, 6, 5)
    first = b.conv(x, 7, same)
    total = b.add(b.conv(first, 7, same), first)
    joined = b.concat(total, b.pool(total, "max", same))
    small = b.conv(joined, 9, Window((3, 3), stride=(2, 2)))
    return b.build(b.conv(b.pool(small, "average", Window((2, 2))), 4, Window()), small)


SMALL = OverlayConfig(
    rows=3,
    columns=4,
    tensor_bytes=1024,
    accumulator_depth=16,
    weight_words=64,
    parameter_depth=16,
    axi_bytes=8,
)


def without_token(program: Program, source: Engine, target: Engine, index: int) -> Program | None:
    """The program without one token between two engines, None if there are fewer."""
    seen = {"wait": 0, "post": 0}
    instructions: list[Instruction] = []
    for one in program.instructions:
        for name, own, other in (("wait", target, source), ("post", source, target)):
            if one.engine is own and other in one.engines(name):
                if seen[name] == index:
                    mask = one.field(name) & ~(1 << other)
                    one = replace(one, fields={**one.fields, name: mask})
                seen[name] += 1
        instructions.append(one)
    return replace(program, instructions=tuple(instructions)) if seen["wait"] > index else None


def test_every_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of its tokens the program goes wrong in some order.

    Queues are deep here: short ones alone keep engines from getting far ahead of each other.
    """
    monkeypatch.setattr(functional, "QUEUE_DEPTH", 64)
    network = branchy()
    program = check(network, SMALL)
    rng = np.random.default_rng(7)
    image = {
        name: rng.integers(-128, 128, network.tensors[name].shape).astype(np.int8)
        for name in network.inputs
    }
    expected = functional.run(program, SMALL, image).outputs
    mutants = [
        ((source.name, target.name, index), mutant)
        for source in Engine
        for target in Engine
        for index in range(20)
        if (mutant := without_token(program, source, target, index))
    ]
    assert len(mutants) > 10

    def wrong(mutant: Program, seed: int) -> bool:
        outputs = functional.run(mutant, SMALL, image, seed).outputs
        return any((outputs[name] != expected[name]).any() for name in outputs)

    survivors = [name for name, mutant in mutants if not any(wrong(mutant, s) for s in range(300))]
    assert survivors == []


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("flow", list(Dataflow))
def test_dataflows_agree(flow: Dataflow, lanes: int) -> None:
    network = branchy()
    names = [conv.name for conv in network.convolutions()]
    mapping = LayerMapping({name: Choice(flow) for name in names})
    check(network, replace(SMALL, lanes=lanes), mapping, seeds=1)


def test_a_whole_network_in_strips() -> None:
    """Concat, residual and pooling on tensors in DRAM, with strips of several rows."""
    b = Builder(np.random.default_rng(4))
    same = Window((3, 3), padding=(1, 1, 1, 1))
    x = b.input(24, 20, 6)
    a = b.conv(x, 12, same)
    joined = b.concat(b.add(b.conv(a, 12, same), a), b.pool(a, "max", same))
    last = b.pool(b.conv(joined, 10, same, groups=2), "average", Window((24, 20)))
    network = b.build(b.conv(last, 5, Window()), joined)
    program = check(network, replace(SMALL, tensor_bytes=8192, parameter_depth=64), seeds=2)
    assert sum(place.memory == "output" for place in program.manifest.tensors) >= 3
    stores = [one for one in program.instructions if one.opcode is Opcode.STORE]
    assert len(stores) > 10


def test_broken_programs_are_noticed() -> None:
    program = check(branchy(), SMALL, seeds=0)
    image = {"t0": np.zeros((6, 6, 5), np.int8)}

    def run(instructions: Sequence[Instruction]) -> None:
        functional.run(replace(program, instructions=tuple(instructions)), SMALL, image)

    with pytest.raises(functional.FunctionalError, match="must start with BEGIN"):
        run(program.instructions[1:])
    first = next(i for i in program.instructions if i.opcode is Opcode.LOAD and i.field("post"))
    mute = replace(first, fields={**first.fields, "post": 0})
    with pytest.raises(functional.FunctionalError, match="hangs"):
        run([mute if one is first else one for one in program.instructions])
