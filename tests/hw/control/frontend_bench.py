"""cocotb: whole programs through the frontend, against memory with random stalls and errors."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hw.isa import INSTRUCTION_BYTES, Error, Opcode
from hw.isa.config import ISA_VERSION
from hw.isa.register_map import (
    COUNTED_ENGINES,
    REGISTERS,
    UNLIMITED,
    WEIGHT_BASES,
    Access,
    Control,
    Status,
)
from hw.isa.timing import RESET_CYCLES
from tests.hw.bus.protocol import PAGE
from tests.hw.control.frontend_harness import BASES, CONFIG, Bench
from tests.hw.control.programs import Program, random_program

WATCHDOG = 400


@cocotb.test()
async def registers(dut: Any) -> None:
    """Every register reads and writes as its access says."""
    bench = Bench(dut)
    await bench.reset()
    assert await bench.read("control") == 1 << Control.IDLE
    assert await bench.read("configuration") == CONFIG.hash
    assert await bench.read("isa_version") == ISA_VERSION
    assert await bench.read("watchdog") == CONFIG.watchdog_cycles
    assert await bench.read("cycle_limit") == 0
    assert await bench.read("output_bytes") == UNLIMITED
    values = {}
    for name, register in REGISTERS.items():
        if register.access is Access.CONTROL:
            continue
        before, value = await bench.read(name), bench.rng.getrandbits(register.width)
        await bench.write(name, value)
        kept = {Access.READ_ONLY: before, Access.READ_WRITE: value, Access.TOGGLE: value & 3}
        values[name] = kept[register.access]
    for name, value in values.items():
        assert await bench.read(name) == value, name
    offset = REGISTERS["watchdog"].offset
    await bench.write("watchdog", 0x11223344)
    await bench.host.write(offset + 1, b"\xaa\xbb")
    assert await bench.read("watchdog") == 0x11BBAA44
    assert await bench.host.read_dword(0xFFC) == 0


@cocotb.test()
@cocotb.parametrize(rate=[0.0, 0.3, 0.8])
async def programs(dut: Any, rate: float) -> None:
    """Random programs under random stalls."""
    bench = Bench(dut, rate=rate, seed=int(10 * rate))
    await bench.reset()
    for groups in (4, 2):
        program = random_program(CONFIG, bench.rng, groups=groups)
        await bench.run(program)
        await bench.check(program)
        bench.check_reads(program)


@cocotb.test()
async def host_protocol(dut: Any) -> None:
    """Start, done, idle and the interrupt, as XRT expects them."""
    bench = Bench(dut, rate=0.3)
    await bench.reset()
    program = random_program(CONFIG, bench.rng)
    await bench.setup(program)
    await bench.write("global_interrupt_enable", 1)
    await bench.write("interrupt_enable", 1)
    await bench.write("control", 1)
    for _ in range(3):
        assert await bench.read("control") == 1 << Control.START
        assert await bench.read("status") == 1 << Status.RUNNING
    await bench.write("control", 1)  # ignored: it is running
    while not dut.interrupt.value:
        await RisingEdge(dut.clk)
    control = await bench.read("control")
    assert control & 0b1011 == 1 << Control.DONE | 1 << Control.READY
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk)
    assert await bench.read("control") == 1 << Control.IDLE
    assert await bench.read("interrupt_status") == 1
    await bench.write("interrupt_status", 1)
    await RisingEdge(dut.clk)
    assert not dut.interrupt.value
    await bench.check(program)
    cycles = await bench.read("cycles")
    busy = {name: await bench.read(f"busy_{name}") for name in COUNTED_ENGINES}
    assert all(0 < count < cycles for count in busy.values()), busy


@cocotb.test()
async def bad_programs(dut: Any) -> None:
    """Faults of the program are told apart, and the next run is sound."""
    bench = Bench(dut, rate=0.2, seed=3)
    await bench.reset()
    program = random_program(CONFIG, bench.rng)
    count = len(program.instructions) + 2
    middle = count // 2
    stale = bytearray(program.encoded())
    stale[-1] ^= 0x80
    code = bytearray(program.encoded())
    code[INSTRUCTION_BYTES * middle] = 0x77
    headless = program.encoded()[INSTRUCTION_BYTES:]
    for made, error, tag in (
        (program.encoded(isa_version=ISA_VERSION + 1), Error.ISA_VERSION, 0),
        (program.encoded(configuration=CONFIG.hash ^ 1), Error.CONFIGURATION, 0),
        (program.encoded(instructions=0), Error.ILLEGAL_OPCODE, 0),
        (program.encoded(instructions=1), Error.ILLEGAL_OPCODE, 0),
        (program.encoded(instructions=count - 1), Error.ILLEGAL_OPCODE, count - 2),
        (headless, Error.MISSING_BEGIN, 1),
        (bytes(len(code)), Error.MISSING_BEGIN, 0),
        (bytes(code), Error.ILLEGAL_OPCODE, middle),
        (bytes(stale), Error.CHECKSUM, 0),
    ):
        await bench.run(program, made)
        await bench.fails(error, tag)


@cocotb.test()
async def bus_errors(dut: Any) -> None:
    """Error responses to each client name its instruction, and the next run is sound."""
    bench = Bench(dut, rate=0.2, seed=4)
    await bench.reset()
    for base, opcode, error in (
        ("program", None, Error.BUS_READ),
        ("input", Opcode.LOAD, Error.BUS_READ),
        (WEIGHT_BASES[CONFIG.weight_ports - 1], Opcode.WEIGHTS, Error.BUS_READ),
        ("output", Opcode.STORE, Error.BUS_WRITE),
    ):
        program = Program(config=CONFIG, regions={base: bytearray(3 * PAGE) for base in BASES})
        program.tensor = bytearray(CONFIG.tensor_bytes)
        program.load(offset=0, local=0, count=8)
        program.weights(offset=0, beats=1, segments=1, words=3, last=3, repeats=1)
        program.store(offset=0, local=0, count=8)
        away = 2 * PAGE
        program.load(offset=away, local=0, count=8)
        program.store(offset=away, local=0, count=8)
        program.weights(offset=away, beats=1, segments=1, words=3, last=3, repeats=1)
        tag = {Opcode.LOAD: 4, Opcode.STORE: 5, Opcode.WEIGHTS: 6}.get(opcode) if opcode else None
        await bench.setup(program)
        bench.memory.bad.add((bench.bases[base] + (away if opcode else 0)) // PAGE)
        await bench.write("control", 1)
        await bench.done()
        bench.memory.bad.clear()
        await bench.fails(error, tag)


@cocotb.test()
async def hung_memory(dut: Any) -> None:
    """Memory stops at some time of a run: watchdog; a start is kept until it moves again."""
    bench = Bench(dut, rate=0.3, seed=5)
    await bench.reset()
    for after in (0, 5, 20, 60, *(bench.rng.randrange(1000) for _ in range(2))):
        await bench.write("watchdog", WATCHDOG)
        await bench.setup(random_program(CONFIG, bench.rng))
        await bench.write("control", 1)
        for _ in range(after):
            await RisingEdge(dut.clk)
        bench.memory.hang()
        await bench.done()
        if not await bench.read("error"):
            bench.memory.resume()  # the run was over before
            continue
        assert await bench.read("error") == Error.WATCHDOG
        assert await bench.read("status") == 1 << Status.ERROR | 1 << Status.DRAINING
        program = random_program(CONFIG, bench.rng, groups=2)
        await bench.setup(program)
        await bench.write("control", 1)
        for _ in range(100):
            await RisingEdge(dut.clk)
        assert await bench.read("control") == 1 << Control.START
        bench.memory.resume()
        await bench.done()
        await bench.check(program)


@cocotb.test()
async def hung_engine(dut: Any) -> None:
    """An engine that does not end its instruction: watchdog with its tag."""
    bench = Bench(dut, seed=6)
    await bench.reset()
    await bench.write("watchdog", WATCHDOG)
    bench.stuck = True
    ports = WEIGHT_BASES[: CONFIG.weight_ports]
    program = Program(config=CONFIG, regions={name: bytearray(PAGE) for name in ports})
    program.weights(offset=0, beats=1, segments=1, words=3, last=3, repeats=1)
    program.compute(Opcode.POOL)
    program.compute(Opcode.CONV)
    await bench.run(program)
    assert WATCHDOG < await bench.read("cycles") < WATCHDOG + 300
    bench.stuck = False
    await bench.fails(Error.WATCHDOG, tag=3)
    bench.stuck = True
    await bench.write("watchdog", 0)
    await bench.setup(program)
    await bench.write("control", 1)
    for _ in range(2 * WATCHDOG):
        await RisingEdge(dut.clk)
    bench.stuck = False
    await bench.done()
    assert await bench.read("error") == Error.NONE
