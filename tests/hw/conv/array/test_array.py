"""Sequencer and array together compute a convolution's GEMM, whatever the tiles and stalls."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.network.rounding import requantise
from hw.conv.array.array import Array
from hw.conv.array.parameter_chain import ParameterMemory
from hw.conv.sequence.fed import fed_word
from hw.conv.sequence.sequencer import Sequencer
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig, ceil_div
from hw.lib.replay import WeightBuffer


class Bench(wiring.Component):
    """FIFOs, sequencer, array and parameter memory, as in the overlay."""

    def __init__(self, config: OverlayConfig) -> None:
        self.config = config
        super().__init__({})
        self.activations = WeightBuffer(
            depth=config.activation_depth, word_bits=fed_word(config).size
        )
        self.weights = WeightBuffer(
            depth=config.weight_words, word_bits=8 * config.weight_word_bytes
        )
        self.sequencer = Sequencer(config=config)
        self.array = Array(config=config)
        self.parameters = ParameterMemory(config=config)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in ("activations", "weights", "sequencer", "array", "parameters"):
            m.submodules[name] = getattr(self, name)
        wiring.connect(m, self.activations.o, self.sequencer.activations)
        wiring.connect(m, self.weights.o, self.sequencer.weights)
        m.d.comb += [
            self.array.i_activation.eq(self.activations.o.data[: self.config.activation_bits]),
            self.array.i_weight.eq(self.weights.o.data),
            self.array.i_wave.eq(self.sequencer.o_wave),
            self.array.i_load_parameters.eq(self.sequencer.o_load_parameters),
            self.array.i_first_record.eq(self.sequencer.o_first_record),
            self.parameters.i_address_0.eq(self.array.o_parameter_address),
            self.array.i_parameter_record.eq(self.parameters.o_record_0),
        ]
        return m


@dataclass
class Gemm:
    """One layer: activations [pixels, chunks * L], weights [chunks * L, channels]."""

    dataflow: Dataflow
    activations: np.ndarray
    weights: np.ndarray
    pixel_tile: int
    channel_tile: int
    replay: bool
    bias: np.ndarray
    mantissa: np.ndarray
    shift: np.ndarray

    def expected(self) -> np.ndarray:
        acc = self.activations.astype(np.int64) @ self.weights.astype(np.int64) + self.bias
        return np.array(requantise(acc, self.mantissa, self.shift, 3, -120, 127))

    def tiles(self):
        pixels, channels = len(self.activations), self.weights.shape[1]
        for n in range(0, channels, self.channel_tile):
            for p in range(0, pixels, self.pixel_tile):
                yield (
                    range(n, min(n + self.channel_tile, channels)),
                    range(p, min(p + self.pixel_tile, pixels)),
                )


def to_int(values) -> int:
    return int.from_bytes(np.asarray(values, dtype=np.int8).tobytes(), "little")


def operands(values, bits: int) -> int:
    return sum((int(v) & ((1 << bits) - 1)) << (i * bits) for i, v in enumerate(values))


def activation_words(gemm: Gemm, config: OverlayConfig) -> list[int]:
    width = config.reduction
    words = []
    for _, pixels in gemm.tiles():
        for chunk in range(gemm.weights.shape[0] // width):
            count = config.rows if gemm.dataflow == Dataflow.NS else len(pixels)
            for k in range(count):
                pixel = min(pixels.start + k, len(gemm.activations) - 1)
                values = gemm.activations[pixel, chunk * width :][:width]
                words.append(operands(values, config.operand_bits))
    return words


def weight_words(gemm: Gemm, config: OverlayConfig) -> list[int]:
    lanes, rows, columns = config.lanes, config.rows, config.columns
    words = []
    for channels, pixels in gemm.tiles():
        if gemm.replay and pixels.start > 0:
            continue
        for chunk in range(gemm.weights.shape[0] // config.reduction):
            block = gemm.weights[chunk * config.reduction :][: config.reduction, list(channels)]
            if gemm.dataflow == Dataflow.IS:
                words += [to_int(block[:, n]) for n in range(len(channels))]
                continue
            full = np.zeros((config.reduction, columns), np.int8)
            full[:, : len(channels)] = block
            for row in reversed(range(rows)):
                pair = full[row * lanes : (row + 1) * lanes]  # [lane, column]
                words.append(to_int(pair.T.reshape(-1)))
    return words


def collect(gemm: Gemm, config: OverlayConfig, words: list[bytes]) -> np.ndarray:
    out = np.zeros((len(gemm.activations), gemm.weights.shape[1]), np.int8)
    stream = iter(words)
    for channels, pixels in gemm.tiles():
        if gemm.dataflow == Dataflow.IS:
            for first in range(channels.start, channels.stop, config.columns):
                count = min(config.columns, channels.stop - first)
                for p in pixels:
                    word = np.frombuffer(next(stream), np.int8)
                    out[p, first : first + count] = word[config.columns - count :]
            continue
        order = reversed(pixels) if gemm.dataflow == Dataflow.NS else pixels
        for p in order:
            word = np.frombuffer(next(stream), np.int8)
            out[p, list(channels)] = word[: len(channels)]
    assert next(stream, None) is None, "words left over"
    return out


def run(config: OverlayConfig, gemms: list[Gemm], *, seed: int, stalls: float) -> tuple[list, int]:
    rng = np.random.default_rng(seed)
    bench = Bench(config)
    words: list[bytes] = []
    cycles = 0
    expected = sum(
        sum(
            len(p) * (ceil_div(len(c), config.columns) if g.dataflow == Dataflow.IS else 1)
            for c, p in g.tiles()
        )
        for g in gemms
    )
    bases = np.cumsum([0, *(g.weights.shape[1] for g in gemms)])
    loaded = False

    async def parameters(ctx):
        nonlocal loaded
        for gemm, base in zip(gemms, bases, strict=False):
            pairs = 0
            if config.lanes == 2:
                w = gemm.weights.astype(np.int64)
                pairs = (w[0::2] * w[1::2]).sum(axis=0)
            for n in range(gemm.weights.shape[1]):
                ctx.set(
                    bench.parameters.i_write,
                    {
                        "address": int(base + n),
                        "record": {
                            "bias": int((gemm.bias - pairs)[n]),
                            "mantissa": int(gemm.mantissa[n]),
                            "shift": int(gemm.shift[n]),
                            "zero_point": 3,
                            "low": -120,
                            "high": 127,
                        },
                    },
                )
                ctx.set(bench.parameters.i_write_valid, 1)
                await ctx.tick()
        ctx.set(bench.parameters.i_write_valid, 0)
        loaded = True

    async def instructions(ctx):
        port = bench.sequencer.i
        while not loaded:
            await ctx.tick()
        for gemm, base in zip(gemms, bases, strict=False):
            fields = {
                "dataflow": int(gemm.dataflow),
                "replay": int(gemm.replay),
                "pixels": len(gemm.activations),
                "pixel_tile": gemm.pixel_tile,
                "channels": gemm.weights.shape[1],
                "channel_tile": gemm.channel_tile,
                "chunks": gemm.weights.shape[0] // config.reduction,
                "parameters": int(base),
            }
            ctx.set(port.payload, fields)
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)

    def feeder(target, source):
        async def process(ctx):
            for word in source:
                while rng.random() < stalls:
                    await ctx.tick()
                ctx.set(target.i.payload, word)
                ctx.set(target.i.valid, 1)
                await ctx.tick().until(target.i.ready)
                ctx.set(target.i.valid, 0)

        return process

    async def writer(ctx):
        nonlocal cycles
        held = 0
        idle = 0
        while len(words) < expected or idle < 40:
            _, _, valid, word = await ctx.tick().sample(bench.array.o_valid, bench.array.o_word)
            cycles += 1
            idle = idle + 1 if len(words) >= expected else 0
            if valid:
                words.append(int(word).to_bytes(config.columns, "little"))
                held += 1
            give = held > 0 and rng.random() >= stalls
            ctx.set(bench.sequencer.i_returned, int(give))
            held -= give
            assert cycles < 20000, f"{len(words)} of {expected} words"

    simulator = Simulator(bench)
    simulator.add_clock(1e-8)
    for process in (
        parameters,
        instructions,
        feeder(bench.activations, [w for g in gemms for w in activation_words(g, config)]),
        feeder(bench.weights, [w for g in gemms for w in weight_words(g, config)]),
    ):
        simulator.add_process(process)
    simulator.add_testbench(writer)
    with warnings.catch_warnings():
        simulator.run()
    results = []
    rest = words
    for gemm in gemms:
        count = sum(
            len(p) * (ceil_div(len(c), config.columns) if gemm.dataflow == Dataflow.IS else 1)
            for c, p in gemm.tiles()
        )
        results.append(collect(gemm, config, rest[:count]))
        rest = rest[count:]
    return results, cycles


def make_gemm(rng, config, dataflow, *, pixels, channels, chunks, pixel_tile, channel_tile, replay):
    reduction = chunks * config.reduction
    return Gemm(
        dataflow=dataflow,
        activations=rng.integers(-128, 128, (pixels, reduction)).astype(np.int8),
        weights=rng.integers(-127, 128, (reduction, channels)).astype(np.int8),
        pixel_tile=pixel_tile,
        channel_tile=channel_tile,
        replay=replay,
        bias=rng.integers(-20000, 20000, channels),
        mantissa=rng.integers(1 << 16, 1 << 17, channels),
        shift=rng.integers(24, 28, channels),
    )


@st.composite
def cases(draw):
    rows, columns = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    config = OverlayConfig(
        rows=rows,
        columns=columns,
        lanes=draw(st.integers(1, 2)),
        accumulator_depth=8,
        weight_words=64,
        parameter_depth=64,
        axi_bytes=4,
        crossings=draw(st.integers(0, min(3, columns - 1))),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gemms = []
    for _ in range(draw(st.integers(1, 3))):
        dataflow = draw(st.sampled_from(list(Dataflow)))
        pixels = draw(st.integers(1, 12))
        channels = draw(st.integers(1, 12))
        chunks = draw(st.integers(1, 3))
        pixel_tile = {
            Dataflow.WS: draw(st.integers(1, 8)),
            Dataflow.IS: columns,
            Dataflow.NS: rows,
        }[dataflow]
        channel_tile = draw(st.integers(1, 8)) if dataflow == Dataflow.IS else columns
        segment = chunks * (channel_tile if dataflow == Dataflow.IS else rows)
        gemms.append(
            make_gemm(
                rng,
                config,
                dataflow,
                pixels=pixels,
                channels=channels,
                chunks=chunks,
                pixel_tile=pixel_tile,
                channel_tile=channel_tile,
                replay=draw(st.booleans()) and segment <= config.weight_words,
            )
        )
    return config, gemms, draw(st.integers(0, 99)), draw(st.sampled_from([0.0, 0.0, 0.3]))


@pytest.mark.parametrize("examples", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_gemms_match_numpy(examples) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def gemms_match_numpy(case) -> None:
        config, gemms, seed, stalls = case
        results, _ = run(config, gemms, seed=seed, stalls=stalls)
        for gemm, result in zip(gemms, results, strict=True):
            np.testing.assert_array_equal(result, gemm.expected())

    gemms_match_numpy()


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("dataflow", list(Dataflow))
def test_each_dataflow_gives_the_same_layer(dataflow, lanes) -> None:
    config = OverlayConfig(
        rows=3, columns=4, lanes=lanes, accumulator_depth=8, weight_words=64, parameter_depth=64
    )
    gemm = make_gemm(
        np.random.default_rng(7),
        config,
        dataflow,
        pixels=7,
        channels=6,
        chunks=2,
        pixel_tile={Dataflow.WS: 5, Dataflow.IS: 4, Dataflow.NS: 3}[dataflow],
        channel_tile=5 if dataflow == Dataflow.IS else 4,
        replay=True,
    )
    (result,), _ = run(config, [gemm], seed=1, stalls=0.0)
    np.testing.assert_array_equal(result, gemm.expected())
