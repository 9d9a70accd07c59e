"""Columns of devices' multipliers do in every cycle what the behavioural column does."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.conv.array.column import Column, column_ports
from hw.conv.array.dsp48 import Above, DspElement
from hw.conv.array.mult18 import MultElement
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import OverlayConfig
from hw.isa.timing import CONTROL_LAG, ELEMENT_LATENCY
from hw.lib.emit import Verilog, emit
from sim.verilator import build, lint

pytestmark = pytest.mark.rtl


HERE = Path(__file__).parent
ROWS = 7
RIVALS = {
    "behavioural": BEHAVIOURAL,
    "cascaded": Primitive(name="dsp48e2"),
    "hopping": Primitive(name="dsp48e2", cascade=3),
    "multipliers": Primitive(name="mult18x18d"),
}
MODELS = ("dsp48e2.v", "mult18x18d.v")
SIZE = {"rows": ROWS, "columns": 2}
CONFIGS = {
    "plain": OverlayConfig(**SIZE, lanes=1, accumulator_bits=27),
    "fast": OverlayConfig(**SIZE, lanes=2, accumulator_bits=27),
    **{
        f"{winograd} {lanes}": OverlayConfig(
            **SIZE, lanes=lanes, accumulator_bits=40, winograd=winograd, scratch_words=128
        )
        for winograd in ("f2", "f4")
        for lanes in (1, 2)
    },
}

FAST = ("plain", "f4 2")  # least and most of everything; the others take builds of their own
CASES = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS]

Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]


def port_layout(case: str, flow: wiring.Flow) -> data.StructLayout:
    members = column_ports(CONFIGS[case]).items()
    return data.StructLayout({name: m.shape for name, m in members if m.flow == flow})


class Rivals(wiring.Component):
    """The columns of all primitives, fed alike."""

    def __init__(self, case: str) -> None:
        self.columns = {
            name: Column(config=CONFIGS[case], primitive=primitive)
            for name, primitive in RIVALS.items()
        }
        self.inputs, self.outputs = port_layout(case, In), port_layout(case, Out)
        super().__init__(
            {
                "i_stimulus": In(self.inputs.size),
                "o_observed": Out(len(RIVALS) * self.outputs.size),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stimulus = data.View(self.inputs, self.i_stimulus)
        for name, column in self.columns.items():
            m.submodules[name] = column
            for port in self.inputs.members:
                m.d.comb += getattr(column, port).eq(stimulus[port])
        observed = [getattr(c, p) for c in self.columns.values() for p in self.outputs.members]
        m.d.comb += self.o_observed.eq(Cat(observed))
        return m


@dataclass(frozen=True)
class Stimuli:
    """A column's inputs, cycle by cycle: operands [cycle, row, lane], control [cycle, row]."""

    stream: Integers
    shadow: Integers  # [cycle, lane]
    swap: Bits
    local: Bits
    clear: Bits
    enable: Bits  # [cycle]
    start: Bits

    def encode(self, case: str) -> bytes:
        """A record a cycle, in 32-bit words."""
        layout, cycles = port_layout(case, In), len(self.stream)
        places = np.arange(CONFIGS[case].operand_bits)
        bits = []
        for port in layout.members:
            values = getattr(self, port.removeprefix("i_"))
            if values.dtype == np.int64:
                values = values[..., None] >> places & 1
            bits.append(values.reshape(cycles, -1).astype(np.uint8))
        record = np.concatenate(bits, axis=1)
        assert record.shape[1] == layout.size
        padded = np.pad(record, ((0, 0), (0, -layout.size % 32)))
        return np.packbits(padded, axis=1, bitorder="little").tobytes()


@cache
def executable(case: str) -> Path:
    verilog = emit(Rivals(case), "rivals")
    return build(with_models(verilog), sources=[HERE / "dsp48_bench.cpp"])


def with_models(verilog: Verilog) -> Verilog:
    """The design with models of the cells that it is made of."""
    models = [(HERE / name).read_text() for name in MODELS]
    return dataclasses.replace(verilog, text="\n".join([*models, verilog.text]))


def observe(stimuli: Stimuli, case: str) -> dict[str, Integers]:
    """``o_sum`` of each rival; asserts that all outputs agree in every cycle."""
    layout = port_layout(case, Out)
    size, field = layout.size, layout["o_sum"]
    records = stimuli.encode(case)
    run = subprocess.run([executable(case)], input=records, capture_output=True, check=True)
    words = np.frombuffer(run.stdout, np.uint8).reshape(len(stimuli.stream), -1)
    bits = np.unpackbits(words, axis=1, bitorder="little")
    each = {name: bits[:, k * size : (k + 1) * size] for k, name in enumerate(RIVALS)}
    for name, outputs in each.items():
        np.testing.assert_array_equal(outputs, each["behavioural"], err_msg=name)
    weights = 1 << np.arange(field.width, dtype=np.int64)
    weights[-1] *= -1
    place = slice(field.offset, field.offset + field.width)
    return {name: outputs[:, place] @ weights for name, outputs in each.items()}


def operands(rng: np.random.Generator, case: str, *shape: int, extreme: bool = False) -> Integers:
    """Operands of all lanes: [*shape, lane]."""
    config = CONFIGS[case]
    limit = 1 << (config.operand_bits - 1)
    if extreme:
        return rng.choice([-limit, 1 - limit, limit - 1, -1, 0], (*shape, config.lanes))
    return rng.integers(-limit, limit, (*shape, config.lanes))


def products(s: Integers, t: Integers) -> Integers:
    """What an element adds for a stream and an active operand, lanes last."""
    if s.shape[-1] == 1:
        return (s * t)[..., 0]
    return (s[..., 0] + t[..., 1]) * (s[..., 1] + t[..., 0])


def skewed(control: Bits, lag: int = 0) -> Bits:
    """[cycle] -> [cycle, row]: row r comes r + lag cycles later."""
    rows = np.zeros((len(control), ROWS), bool)
    for row in range(ROWS):
        rows[row + lag :, row] = control[: len(control) - row - lag]
    return rows


def test_all_operands_are_there() -> None:
    sizes = {(config.lanes, config.operand_bits) for config in CONFIGS.values()}
    assert sizes == set(itertools.product((1, 2), (9, 12, 15)))


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_arbitrary_control_gives_equal_columns(case: str, extreme: bool) -> None:
    rng, cycles = np.random.default_rng(1), 2000

    def chance(*shape: int) -> Bits:
        often = rng.choice([0.05, 0.5, 0.95], (cycles // 100, *shape[1:]))
        return rng.random(shape) < np.repeat(often, 100, axis=0)

    stimuli = Stimuli(
        stream=operands(rng, case, cycles, ROWS, extreme=extreme),
        shadow=operands(rng, case, cycles, extreme=extreme),
        swap=chance(cycles, ROWS),
        local=chance(cycles, ROWS),
        clear=chance(cycles, ROWS),
        enable=chance(cycles),
        start=chance(cycles),
    )
    sums = observe(stimuli, case)
    assert len(np.unique(sums["cascaded"])) > 100


@pytest.mark.parametrize("zero_head", [False, True], ids=["WS", "IS"])
@pytest.mark.parametrize("case", CASES)
def test_stationary_tiles(case: str, zero_head: bool) -> None:
    """Tiles without a gap: the next one's words shift in from the swap on."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(ROWS, 3 * ROWS, 40)
    starts = ROWS + np.cumsum([0, *lengths[:-1]])
    cycles = int(starts[-1] + lengths[-1]) + 3 * ROWS
    stationary = operands(rng, case, len(starts), ROWS, extreme=True)  # [tile, row, lane]
    waves = operands(rng, case, cycles, ROWS)
    swap, enable, start = (np.zeros(cycles, bool) for _ in range(3))
    shadow = np.zeros((cycles, waves.shape[-1]), np.int64)
    for tile, begin in enumerate(starts):
        swap[begin] = True
        burst = begin - ROWS if tile == 0 else starts[tile - 1]
        start[burst] = True
        enable[burst : burst + ROWS] = True
        shadow[burst : burst + ROWS] = stationary[tile, ::-1]
        if zero_head:
            waves[begin] = 0
    stream = np.zeros_like(waves)
    for row in range(ROWS):
        stream[row:, row] = waves[: cycles - row, row]
    never = np.zeros((cycles, ROWS), bool)
    stimuli = Stimuli(stream, shadow, skewed(swap), never, never, enable, start)

    sums = observe(stimuli, case)
    late = ROWS - 1 + ELEMENT_LATENCY
    for tile, (begin, length) in enumerate(zip(starts, lengths, strict=True)):
        expected = products(waves[begin : begin + length], stationary[tile]).sum(axis=1)
        found = sums["cascaded"][begin + late : begin + late + length]
        np.testing.assert_array_equal(found, expected, err_msg=f"tile {tile}")


@pytest.mark.parametrize("case", CASES)
def test_streaming_tiles(case: str) -> None:
    """NS: both operands stream, sums stay in the rows and leave through the cascade."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(ROWS, 5 * ROWS, 20)
    starts = ROWS + np.cumsum([0, *(lengths[:-1] + ROWS)])
    cycles = int(starts[-1] + lengths[-1]) + 4 * ROWS
    lanes = CONFIGS[case].lanes
    stream = np.zeros((cycles, ROWS, lanes), np.int64)
    shadow = np.zeros((cycles, lanes), np.int64)
    clear = np.zeros(cycles, bool)
    local = np.zeros((cycles, ROWS), bool)
    expected: dict[int, np.int64] = {}
    for begin, length in zip(starts, lengths, strict=True):
        end = begin + length
        left = operands(rng, case, length, ROWS, extreme=True)
        top = operands(rng, case, length, extreme=True)
        shadow[begin - 1 : end - 1] = top
        clear[begin] = True
        drop = end + ROWS - 1 + CONTROL_LAG
        for row in range(ROWS):
            stream[begin + row : end + row, row] = left[:, row]
            local[begin + row + CONTROL_LAG : drop, row] = True
            leaves = drop - CONTROL_LAG - 1 + ELEMENT_LATENCY + (ROWS - 1 - row)
            expected[int(leaves)] = products(left[:, row], top).sum()
    always = np.ones(cycles, bool)
    start = np.zeros(cycles, bool)
    stimuli = Stimuli(
        stream, shadow, skewed(always), local, skewed(clear, CONTROL_LAG), always, start
    )

    sums = observe(stimuli, case)
    assert {t: sums["cascaded"][t] for t in expected} == expected


@pytest.mark.parametrize("case", ["plain", "f4 2"])
def test_emitted_column_is_clean_and_has_one_module_a_place(case: str, tmp_path: Path) -> None:
    config = CONFIGS[case]
    verilog = emit(Column(config=config, primitive=RIVALS["hopping"]), "column")
    elements = {name for name in verilog.modules if name.startswith("element")}
    size = f"{config.lanes}_{config.accumulator_bits}_{config.operand_bits}"
    assert elements == {f"element_{size}_dsp_{above.value}" for above in Above}
    lint(verilog, folder=tmp_path)


def test_emitted_column_of_multipliers_is_clean_and_has_one_module(tmp_path: Path) -> None:
    verilog = emit(Column(config=CONFIGS["f4 2"], primitive=RIVALS["multipliers"]), "column")
    elements = [name for name in verilog.modules if name.startswith("element")]
    assert elements == ["element_2_40_15_mult"]
    lint(verilog, folder=tmp_path)


SIZES = {"lanes": 2, "accumulator_bits": 27}


@pytest.mark.parametrize(
    "element", [DspElement(**SIZES, above=Above.CASCADE), MultElement(**SIZES)]
)
def test_python_simulation_is_refused(element: Any) -> None:
    with pytest.raises(TypeError, match="cannot be simulated in Python"):
        Simulator(element)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "dsp58"}, r"primitive must be one of behavioural, dsp48e2, mult18x18d, not"),
        ({"name": "dsp48e2", "cascade": -1}, r"cascade must be a number of rows, not -1"),
        ({"cascade": 4}, r"behavioural elements have no cascade"),
        ({"name": "mult18x18d", "cascade": 4}, r"mult18x18d elements have no cascade"),
    ],
)
def test_illegal_primitives_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Primitive(**arguments)


def test_sums_wider_than_the_slice_are_refused() -> None:
    with pytest.raises(ValueError, match=r"accumulator_bits must be .* in \[1, 48\], not 49"):
        DspElement(lanes=1, accumulator_bits=49, above=Above.NOTHING)


def test_factors_wider_than_the_multiplier_are_refused() -> None:
    with pytest.raises(ValueError, match=r"factor_bits must be .* in \[1, 18\], not 19"):
        MultElement(lanes=2, accumulator_bits=40, operand_bits=18)
