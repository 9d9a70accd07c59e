"""The functional model: executes a program on bytes, instruction by instruction, without timing.

It knows nothing of the network: only instructions, the weight stream and parameter records.  With
a seed, engines advance in a random order that queues and tokens allow, and a CONV may read before
the CONVs ahead of it have written: a missing token then shows as a wrong result.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dse.assembly.instruction import Instruction
from dse.assembly.manifest import TensorPlace
from dse.assembly.program import Program
from hw.isa import Base, Engine, MemorySpace, Opcode
from hw.isa.config import ISA_VERSION, PARAMETER_BYTES, TABLE_ENTRIES, OverlayConfig
from sim.functional_datapath import (
    Bytes,
    FunctionalError,
    Int8s,
    Int64s,
    conv_results,
    conv_sums,
    looked_up,
    pool_results,
    residual_results,
    result_bytes,
    unpack,
    weight_words,
)
from sim.functional_depthwise import depthwise_results

QUEUE_DEPTH = 4  # instructions that wait at an engine
PIPELINE_DEPTH = 3  # CONVs that have read but not written

Step = Engine | str | None  # an engine's next instruction (None: WEIGHTS), "write" or "fetch"


@dataclass(frozen=True)
class FunctionalRun:
    """Outputs and all observable tensors of one image, by name."""

    outputs: dict[str, Int8s]
    tensors: dict[str, Int8s]


def run(
    program: Program, config: OverlayConfig, inputs: Mapping[str, Int8s], seed: int | None = None
) -> FunctionalRun:
    """Execute a program on one image; ``seed`` None: in program order."""
    manifest = program.manifest
    machine = FunctionalOverlay(config, program)
    for tensor in manifest.inputs:
        data = tensor.lay_out(inputs[tensor.name].astype(np.int8)).view(np.uint8)
        machine.dram[Base.INPUT][tensor.offset : tensor.offset + data.size] = data
    tensors: dict[str, Int8s] = {}
    waiting = list(manifest.tensors)
    retired: set[int] = set()
    for number in machine.execute(None if seed is None else Order(seed)):
        retired.add(number)
        ready = [place for place in waiting if retired.issuperset(place.complete_after)]
        for place in ready:
            tensors[place.name] = machine.observe(place)
            waiting.remove(place)
    outputs = {}
    for output in manifest.outputs:
        size = int(np.prod(output.shape))
        data = machine.dram[Base.OUTPUT][output.offset : output.offset + size]
        outputs[output.name] = data.view(np.int8).reshape(output.shape).copy()
    return FunctionalRun(outputs, tensors)


class Order:
    """A random order that prefers some steps and starves others, now and then others again."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._rank: dict[Step, float] = {}

    def choose(self, steps: Sequence[Step]) -> Step:
        """One of the possible steps."""
        if self._random.random() < 0.1:
            self._rank = {}
        return max(steps, key=lambda step: self._rank.setdefault(step, self._random.random()))

    def late(self) -> bool:
        """Whether a CONV reads its parameter records late."""
        return self._random.random() < 0.5


@dataclass(frozen=True)
class Unwritten:
    """A CONV that has read its input; ``constants`` are read early or, if None, late."""

    number: int
    sums: Int64s
    constants: Constants | None


@dataclass(frozen=True)
class Constants:
    """What a CONV finishes its sums with."""

    records: dict[str, Int64s]
    table: Bytes | None


@dataclass
class FunctionalOverlay:
    """Memories, queues and counters of one overlay."""

    config: OverlayConfig
    program: Program
    tensor: Bytes = field(init=False)
    records: Bytes = field(init=False)
    dram: dict[Base, Bytes] = field(init=False)
    weights: Bytes = field(init=False)

    def __post_init__(self) -> None:
        garbage = np.random.default_rng(0)
        manifest = self.program.manifest

        def noise(*shape: int) -> Bytes:
            return garbage.integers(0, 256, shape, np.uint8)

        self.tensor = noise(self.config.tensor_bytes)
        self.records = noise(self.config.records, PARAMETER_BYTES)
        self.dram = {
            Base.PARAMETERS: np.frombuffer(self.program.parameters, np.uint8),
            Base.INPUT: noise(manifest.input_bytes),
            Base.OUTPUT: noise(manifest.output_bytes),
        }
        self.weights = np.frombuffer(_whole_stream(self.program.stripes, self.config), np.uint8)
        self._weights: deque[Bytes] = deque()
        self._queues: dict[Engine | None, deque[int]] = {e: deque() for e in (*Engine, None)}
        self._tokens = {(source, target): 0 for source in Engine for target in Engine}
        self._unwritten: deque[Unwritten] = deque()

    def observe(self, place: TensorPlace) -> Int8s:
        """A tensor as it lies in memory now."""
        memories = {
            "tensor": self.tensor,
            "input": self.dram[Base.INPUT],
            "output": self.dram[Base.OUTPUT],
        }
        data = memories[place.memory][place.places]
        return data.view(np.int8).reshape(place.shape)

    def execute(self, order: Order | None) -> Iterator[int]:
        """Run to the end; yields the number of each instruction as it retires."""
        self._begin()
        fetched = 1
        while True:
            steps: list[Step] = [e for e in (*Engine, None) if self._ready(e)]
            if self._unwritten:
                steps.append("write")
            if self._fetchable(fetched):
                steps.append("fetch")
            if not steps:
                break
            step = order.choose(steps) if order else steps[0]
            if step == "fetch":
                self._queues[self._at(fetched).engine].append(fetched)
                fetched += 1
            elif step == "write":
                yield self._write()
            else:
                assert not isinstance(step, str)
                number = self._start(step, late=order is not None and order.late())
                if number is not None:
                    yield number
        if self._at(fetched).opcode is not Opcode.END or any(self._queues.values()):
            raise FunctionalError(f"the program hangs at instruction {fetched}")
        if any(self._tokens.values()) or self._weights:
            raise FunctionalError("tokens or weights are left over")

    def _begin(self) -> None:
        begin = self._at(0)
        expected = {
            "isa_version": ISA_VERSION,
            "configuration": self.config.hash,
            "instructions": len(self.program.instructions),
        }
        if begin.opcode is not Opcode.BEGIN or any(
            begin.field(name) != value for name, value in expected.items()
        ):
            raise FunctionalError(f"the program must start with BEGIN {expected}")

    def _at(self, number: int) -> Instruction:
        return self.program.instructions[number]

    def _fetchable(self, number: int) -> bool:
        instruction = self._at(number)
        if instruction.opcode is Opcode.END:
            return False
        return len(self._queues[instruction.engine]) < QUEUE_DEPTH

    def _ready(self, engine: Engine | None) -> bool:
        """Whether the engine's next instruction can start; None is the weight reader."""
        if not self._queues[engine]:
            return False
        instruction = self._at(self._queues[engine][0])
        if engine is None:
            return len(self._weights) < QUEUE_DEPTH
        if engine is Engine.CONV and (len(self._unwritten) >= PIPELINE_DEPTH or not self._weights):
            return False
        return all(self._tokens[source, engine] for source in instruction.engines("wait"))

    def _start(self, engine: Engine | None, late: bool) -> int | None:
        """Execute an engine's next instruction; its number if it retires at once.

        ``late``: a CONV reads its parameter records only when it writes.
        """
        number = self._queues[engine].popleft()
        instruction = self._at(number)
        if engine is None:
            self._weights.append(weight_words(instruction, self.weights, self.config))
            return number
        for source in instruction.engines("wait"):
            self._tokens[source, engine] -= 1
        if engine is Engine.CONV:
            sums = conv_sums(instruction, self.tensor, self._weights.popleft(), self.config)
            constants = None if late else self._constants(instruction)
            self._unwritten.append(Unwritten(number, sums, constants))
            return None
        if engine is Engine.LOAD:
            self._load(instruction)
        elif engine is Engine.STORE:
            local, remote = self._transfer(instruction)
            self.dram[Base(instruction.field("base"))][remote] = self.tensor[local]
        else:
            self._put(instruction, self._pool(instruction))
        self._post(instruction)
        return number

    def _pool(self, instruction: Instruction) -> Int64s:
        """The results of a POOL."""
        table = self._table(instruction)
        if instruction.field("depthwise"):
            behind = self.records[self.config.depthwise_weights :]
            return depthwise_results(instruction, self.tensor, behind, table, self.config)
        own = self.records[: self.config.parameter_depth]
        return pool_results(instruction, self.tensor, own, table)

    def _load(self, instruction: Instruction) -> None:
        target, source = self._transfer(instruction)
        data = self.dram[Base(instruction.field("base"))][source]
        if data.size != instruction.field("bytes"):
            raise FunctionalError("a LOAD reads beyond its region")
        if instruction.field("space") == MemorySpace.TENSOR:
            self.tensor[target] = data
            return
        first = instruction.field("local")
        records = data.reshape(-1, PARAMETER_BYTES)
        self.records[first : first + len(records)] = records

    def _transfer(self, instruction: Instruction) -> tuple[slice, slice]:
        size = instruction.field("bytes")
        local, offset = instruction.field("local"), instruction.field("offset")
        return slice(local, local + size), slice(offset, offset + size)

    def _constants(self, instruction: Instruction) -> Constants:
        first = instruction.field("parameters")
        records = unpack(self.records[first : first + instruction.field("channels")])
        return Constants(records, self._table(instruction))

    def _table(self, instruction: Instruction) -> Bytes | None:
        """The table that an instruction names, as it is now."""
        number = instruction.field("table")
        if number == 0:
            return None
        if number > self.config.tables:
            raise FunctionalError("an instruction names a table that the overlay does not have")
        behind = self.records[self.config.parameter_depth : self.config.depthwise_weights]
        tables = behind.reshape(-1, TABLE_ENTRIES)
        return tables[number - 1].copy()

    def _write(self) -> int:
        """Write the results of the oldest CONV that has read."""
        oldest = self._unwritten.popleft()
        instruction = self._at(oldest.number)
        f = instruction.field
        constants = oldest.constants or self._constants(instruction)
        results = conv_results(oldest.sums, constants.records, self.config)
        if constants.table is not None:
            results = looked_up(constants.table, results)
        if f("residual"):
            index = result_bytes(instruction, results.shape, "residual")
            other = self.tensor[index].view(np.int8).astype(np.int64)
            results = residual_results(instruction, results, other)
        self._put(instruction, results)
        self._post(instruction)
        return oldest.number

    def _put(self, instruction: Instruction, results: Int64s) -> None:
        index = result_bytes(instruction, results.shape, "out")
        self.tensor[index] = results.astype(np.int8).view(np.uint8)

    def _post(self, instruction: Instruction) -> None:
        source = instruction.engine
        assert source is not None
        for target in instruction.engines("post"):
            self._tokens[source, target] += 1
            if self._tokens[source, target] > 255:
                raise FunctionalError("a token counter overflows")


def _whole_stream(stripes: Sequence[bytes], config: OverlayConfig) -> bytes:
    """The weight stream: beats of all ports side by side."""
    beats = [np.frombuffer(stripe, np.uint8).reshape(-1, config.axi_bytes) for stripe in stripes]
    return np.stack(beats, axis=1).tobytes()
