"""Random programs for the frontend, and what they must do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hw.isa import COUNTS, PARAMETER, Base, Engine, MemorySpace, Opcode, encode
from hw.isa.config import ISA_VERSION, PARAMETER_BYTES, OverlayConfig
from hw.isa.register_map import WEIGHT_BASES
from tests.kit.sealing import sealed


def mask(*engines: Engine) -> int:
    """Token mask."""
    return sum(1 << engine for engine in engines)


@dataclass
class Program:
    """Instructions, the memory they run on, and the effects they must have.

    Parameters
    ----------
    regions : contents of memory by the name of its base register.
    instructions : encoded, between BEGIN and END.
    output : contents of the output region after the run.
    records : writes to the parameter memory: (address, record).
    words : weight words with the number of bytes that count.
    tags : of CONV and POOL, in order.
    tensor : contents of the tensor memory.
    reads : (region, offset, bytes) of all that is read beside the program.
    """

    config: OverlayConfig
    regions: dict[str, bytearray]
    instructions: list[bytes] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    records: list[tuple[int, int]] = field(default_factory=list)
    words: list[bytes] = field(default_factory=list)
    tags: dict[Opcode, list[int]] = field(
        default_factory=lambda: {Opcode.CONV: [], Opcode.POOL: []}
    )
    tensor: bytearray = field(default_factory=bytearray)
    reads: list[tuple[str, int, int]] = field(default_factory=list)

    def add(self, opcode: Opcode, **fields: int) -> None:
        """Appends an instruction; its tag is its number."""
        self.instructions.append(encode(opcode, {"tag": len(self.instructions) + 1, **fields}))

    def encoded(self, **begin: int) -> bytes:
        """The whole program; ``begin`` replaces fields of BEGIN."""
        fields = {
            "isa_version": ISA_VERSION,
            "configuration": self.config.hash,
            "instructions": len(self.instructions) + 2,
            **begin,
        }
        parts = [encode(Opcode.BEGIN, fields), *self.instructions, encode(Opcode.END, {})]
        return sealed(b"".join(parts))

    def compute(self, opcode: Opcode, **head: int) -> None:
        """A CONV or POOL with the least that it must say; engines are stand-ins."""
        self.add(opcode, **dict.fromkeys(COUNTS[opcode], 1), **head)

    def load(self, *, offset: int, local: int, count: int, **head: int) -> None:
        """LOAD from the input region to the tensor memory."""
        self.add(
            Opcode.LOAD,
            base=Base.INPUT,
            space=MemorySpace.TENSOR,
            offset=offset,
            local=local,
            bytes=count,
            **head,
        )
        self.reads.append(("input", offset, count))
        self.tensor[local : local + count] = self.regions["input"][offset : offset + count]

    def store(self, *, offset: int, local: int, count: int, **head: int) -> None:
        """STORE to the output region."""
        self.add(Opcode.STORE, base=Base.OUTPUT, offset=offset, local=local, bytes=count, **head)
        self.output[offset : offset + count] = self.tensor[local : local + count]

    def load_records(self, *, offset: int, local: int, count: int, **head: int) -> None:
        """LOAD to the parameter memory."""
        self.add(
            Opcode.LOAD,
            base=Base.PARAMETERS,
            space=MemorySpace.PARAMETER,
            offset=offset,
            local=local,
            bytes=count * PARAMETER_BYTES,
            **head,
        )
        self.reads.append(("parameters", offset, PARAMETER_BYTES * count))
        for number in range(count):
            start = offset + PARAMETER_BYTES * number
            raw = self.regions["parameters"][start : start + PARAMETER_BYTES]
            value = int.from_bytes(raw, "little") & ((1 << PARAMETER.size) - 1)
            self.records.append((local + number, value))

    def weights(
        self, *, offset: int, beats: int, segments: int, words: int, last: int, repeats: int
    ) -> None:
        """WEIGHTS."""
        self.add(
            Opcode.WEIGHTS,
            offset=offset,
            beats_per_word=beats,
            segments=segments,
            segment_words=words,
            last_words=last,
            repeats=repeats,
        )
        ports = WEIGHT_BASES[: self.config.weight_ports]
        stripes = [self.regions[name] for name in ports]
        width = self.config.axi_bytes
        count = beats * width * ((segments - 1) * words + last)
        self.reads += [(name, offset, count) for name in ports]
        for segment in range(segments):
            for _ in range(repeats):
                for word in range(last if segment == segments - 1 else words):
                    first = offset + width * beats * (segment * words + word)
                    starts = range(first, first + width * beats, width)
                    parts = [stripe[at : at + width] for at in starts for stripe in stripes]
                    self.words.append(b"".join(parts)[: self.config.weight_word_bytes])


def random_program(config: OverlayConfig, rng: random.Random, *, groups: int = 4) -> Program:
    """Groups of loads and then stores, ordered by tokens, with the other engines in between.

    The last CONV stands for the use of all weights: the bench retires it when it has them.
    """
    beat = config.axi_bytes
    regions = {
        "input": bytearray(rng.randbytes(1 << 14)),
        "parameters": bytearray(rng.randbytes(1 << 15)),
    }
    for name in WEIGHT_BASES[: config.weight_ports]:
        regions[name] = bytearray(rng.randbytes(1 << 15))
    program = Program(
        config=config,
        regions=regions,
        output=bytearray(rng.randbytes(1 << 14)),
        tensor=bytearray(config.tensor_bytes),
    )
    regions["output"] = bytearray(program.output)
    filler = rng.randbytes(config.tensor_bytes)
    regions["input"][: len(filler)] = filler
    program.load(offset=0, local=0, count=config.tensor_bytes)
    pending = 0
    for group in range(groups):
        count = rng.randint(1, 3)
        for n in range(count):
            size = rng.choice([rng.randint(0, 3 * beat), rng.randint(0, config.tensor_bytes)])
            program.load(
                offset=rng.randrange(0, (1 << 14) - size),
                local=rng.randint(0, config.tensor_bytes - size),
                count=size,
                wait=mask(Engine.STORE) if group and n == 0 else 0,
                post=mask(Engine.STORE) if n == count - 1 else 0,
            )
            if rng.random() < 0.5:
                records = rng.randint(1, config.parameter_depth)
                program.load_records(
                    offset=16 * rng.randrange(0, 64),
                    local=rng.randint(0, config.parameter_depth - records),
                    count=records,
                )
            if rng.random() < 0.5:
                program.weights(
                    offset=beat * rng.randrange(0, 16),
                    beats=rng.randint(1, -(-config.weight_word_bytes // config.weight_beat_bytes)),
                    segments=rng.randint(1, 3),
                    words=rng.randint(1, 9),
                    last=rng.randint(1, 9),
                    repeats=rng.randint(1, 3),
                )
            if rng.random() < 0.5:
                program.tags[Opcode.CONV].append(len(program.instructions) + 1)
                program.compute(Opcode.CONV, post=mask(Engine.POOL))
                pending += 1
            if pending and rng.random() < 0.7:
                program.tags[Opcode.POOL].append(len(program.instructions) + 1)
                program.compute(Opcode.POOL, wait=mask(Engine.CONV))
                pending -= 1
        count = rng.randint(1, 3)
        for n in range(count):
            size = rng.choice([rng.randint(0, 3 * beat), rng.randint(0, config.tensor_bytes)])
            waits = mask(Engine.LOAD) if n == 0 else 0
            program.store(
                offset=rng.randrange(0, (1 << 14) - size),
                local=rng.randint(0, config.tensor_bytes - size),
                count=size,
                wait=waits,
                post=mask(Engine.LOAD) if n == count - 1 else 0,
            )
    program.tags[Opcode.CONV].append(len(program.instructions) + 1)
    program.compute(Opcode.CONV)
    return program
