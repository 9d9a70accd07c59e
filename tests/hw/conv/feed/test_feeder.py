"""The feeder delivers im2col words in the array's order, whatever the window, tiles and stalls."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.conv.feed.feeder import Feeder
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig, ceil_div
from hw.lib.tensor_memory import TensorMemory

CONFIG = OverlayConfig(
    rows=3,
    columns=4,
    lanes=2,
    tensor_bytes=1 << 10,
    accumulator_depth=8,
    weight_words=64,
    parameter_depth=64,
    axi_bytes=8,
)
L = CONFIG.reduction


class Bench(wiring.Component):
    """A feeder on a tensor memory, with a rival reader of higher priority."""

    def __init__(self) -> None:
        super().__init__({})
        self.memory = TensorMemory(config=CONFIG, readers=(2,), writers=1)
        self.feeder = Feeder(config=CONFIG)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = self.memory
        m.submodules.feeder = feeder = self.feeder
        wiring.connect(m, feeder.o_read, memory.i_read_1)
        m.d.comb += [
            feeder.i_read.eq(memory.o_data_0),
            feeder.i_read_valid.eq(memory.o_valid_1),
        ]
        return m


@st.composite
def layers(draw):
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    channels = draw(st.integers(1, 9))
    extra = draw(st.integers(0, 3))  # channels of the buffer beside the tensor's
    before = draw(st.integers(0, extra))
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stride = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    top, left = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    out = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dataflow = draw(st.sampled_from(list(Dataflow)))
    tile = {Dataflow.WS: draw(st.integers(1, 8)), Dataflow.IS: 4, Dataflow.NS: 3}[dataflow]
    whole_rows = extra == 0 and dilation[1] == 1 and draw(st.booleans())
    return {
        "shape": (height, width, channels + extra),
        "channels": (before, channels),
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "padding": (top, left),
        "out": out,
        "dataflow": dataflow,
        "pixel_tile": tile,
        "channel_tiles": draw(st.integers(1, 2)),
        "whole_rows": whole_rows,
        "zero_point": draw(st.integers(-128, 127)),
        "base": draw(st.integers(0, 500)),
    }


def fields(layer) -> dict[str, int]:
    """The instruction's fields, from the window by the definitions of `hw.isa.WINDOW`."""
    height, width, pitch = layer["shape"]
    before, channels = layer["channels"]
    (ky, kx), (sy, sx), (dy, dx) = layer["kernel"], layer["stride"], layer["dilation"]
    top, left = layer["padding"]
    row = width * pitch
    run = kx * channels if layer["whole_rows"] else channels
    columns = 1 if layer["whole_rows"] else kx
    words = ceil_div(run, L)
    return {
        "dataflow": int(layer["dataflow"]),
        "address": layer["base"] - top * row,
        "row_pitch": row,
        "height": height,
        "row0": -top,
        "position0": -left * pitch + before,
        "row_step": sy,
        "row_step_bytes": sy * row,
        "column_step": sx * pitch,
        "tap_rows": ky,
        "tap_row_step": dy,
        "tap_row_bytes": dy * row,
        "tap_columns": columns,
        "tap_column_step": dx * pitch,
        "zero_point": layer["zero_point"],
        "out_width": layer["out"][1],
        "pixels": layer["out"][0] * layer["out"][1],
        "pixel_tile": layer["pixel_tile"],
        "channels": layer["channel_tiles"],
        "channel_tile": 1,
        "run_words": words,
        "chunks": ky * columns * words,
    }


def signed(word: int, lane: int) -> int:
    """One operand of a word."""
    bits = CONFIG.operand_bits
    value = word >> (lane * bits) & ((1 << bits) - 1)
    return value - (value >> (bits - 1) << bits)


def expected(layer, image: np.ndarray) -> list[list[int | None]]:
    """Words in order; None where any byte will do (beyond the run)."""
    height, width, _ = layer["shape"]
    before, channels = layer["channels"]
    (ky, kx), (sy, sx), (dy, dx) = layer["kernel"], layer["stride"], layer["dilation"]
    top, left = layer["padding"]

    def tap(oy, ox, i, j):
        y, x = oy * sy - top + i * dy, ox * sx - left + j * dx
        if 0 <= y < height and 0 <= x < width:
            return [int(v) for v in image[y, x, before : before + channels]]
        return [layer["zero_point"]] * channels

    pixels = [divmod(p, layer["out"][1]) for p in range(layer["out"][0] * layer["out"][1])]
    tile = layer["pixel_tile"]
    words = []
    for _ in range(layer["channel_tiles"]):
        for first in range(0, len(pixels), tile):
            members: list = pixels[first : first + tile]
            if layer["dataflow"] == Dataflow.NS:
                members += [None] * (tile - len(members))
            for i in range(ky):
                for j in [None] if layer["whole_rows"] else range(kx):
                    taps = range(kx) if j is None else [j]
                    count = ceil_div(len(taps) * channels, L)
                    for w in range(count):
                        for pixel in members:
                            if pixel is None:
                                words.append([None] * L)
                                continue
                            run: list = [v for t in taps for v in tap(*pixel, i, t)]
                            run += [None] * (count * L - len(run))
                            words.append(run[w * L : (w + 1) * L])
    return words


@pytest.mark.parametrize("examples", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_words_are_the_runs_of_the_window(examples) -> None:
    drawn = given(layers(), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
    settings(max_examples=examples, deadline=None)(drawn(check))()


def check(layer, seed, stalls) -> None:
    """Words are the runs of the window."""
    rng = np.random.default_rng(seed)
    memory = rng.integers(-128, 128, CONFIG.tensor_bytes).astype(np.int8)
    height, width, pitch = layer["shape"]
    size = height * width * pitch
    image = memory[layer["base"] : layer["base"] + size].reshape(height, width, pitch)
    words = expected(layer, image)
    bench = Bench()
    got: list[list[int]] = []

    async def process(ctx):
        port = bench.memory.i_write_0
        word = CONFIG.tensor_word
        ctx.set(port.valid, 1)
        for address in range(0, CONFIG.tensor_bytes, word):
            data = int.from_bytes(memory[address : address + word].tobytes(), "little")
            ctx.set(port.payload, {"address": address, "low": 0, "high": word, "data": data})
            await ctx.tick()
        ctx.set(port.valid, 0)
        await ctx.tick().repeat(4)
        feeder = bench.feeder
        ctx.set(feeder.i.payload, fields(layer))
        ctx.set(feeder.i.valid, 1)
        await ctx.tick().until(feeder.i.ready)
        ctx.set(feeder.i.valid, 0)
        held = 0
        idle = 0
        while idle < 30:
            ctx.set(bench.memory.i_read_0.valid, int(rng.random() < stalls))
            pop = held > 0 and rng.random() >= stalls
            ctx.set(feeder.i_popped, int(pop))
            held -= pop
            valid, value = ctx.get(feeder.o_valid), ctx.get(feeder.o_word.operands)
            if valid:
                got.append([signed(value, lane) for lane in range(L)])
                held += 1
                assert held <= CONFIG.activation_depth
            idle = 0 if valid or ctx.get(feeder.o_busy) else idle + 1
            await ctx.tick()

    simulator = Simulator(bench)
    simulator.add_clock(1e-8)
    simulator.add_testbench(process)
    simulator.run()
    assert len(got) == len(words)
    for number, (word, wanted) in enumerate(zip(got, words, strict=True)):
        for lane, value in enumerate(wanted):
            assert value is None or word[lane] == value, f"word {number}, lane {lane}"
