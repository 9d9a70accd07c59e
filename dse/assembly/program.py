"""A compiled program and its files.

``program.bin``: a header of 64 bytes, then the instructions.  The overlay's base PROGRAM points at
the first instruction, behind the header, at an address that is a multiple of its bus width.

``weights.bin``: parameter records, then the stripes of the weights, see ``Manifest``.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dse.assembly.instruction import Instruction, encode_all
from dse.assembly.manifest import MANIFEST_VERSION, Manifest
from dse.assembly.program_error import ProgramError
from dse.files.bounded import read_bounded
from dse.files.documents import DocumentError, read_json, seal, unseal, versioned
from dse.files.writing import Writing, writing
from hw.isa import INSTRUCTION_BYTES, checksum
from hw.isa.config import ISA_VERSION, OverlayConfig
from hw.isa.register_map import WEIGHT_BASES

MAGIC = b"PMAP"
HEADER_VERSION = 2
HEADER_BYTES = 64
PROGRAM_LIMIT = 1 << 28  # bytes of the longest program.bin: two million instructions
_HEADER = struct.Struct("<4sIIIIIQIQ16x")
_CRC = struct.Struct("<I")  # of the header before it, in its last bytes

PROGRAM_FILE, WEIGHTS_FILE, MANIFEST_FILE = "program.bin", "weights.bin", "manifest.json"
_FILES = "files"  # key of the manifest: checksums of the other two, by name


@dataclass(frozen=True)
class Header:
    """What stands before the instructions."""

    version: int
    isa_version: int
    configuration: int
    instructions: int
    instructions_crc32: int
    weights_bytes: int
    weights_crc32: int
    parameter_bytes: int

    def encode(self) -> bytes:
        """The header's ``HEADER_BYTES`` bytes."""
        head = _HEADER.pack(MAGIC, *(getattr(self, name) for name in self.__dataclass_fields__))
        return head + _CRC.pack(zlib.crc32(head))

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Parse and check a header."""
        if data[: len(MAGIC)] != MAGIC:
            raise ProgramError(f"not a program: the file starts with {data[:4]!r}, not {MAGIC!r}")
        if len(data) < HEADER_BYTES:
            raise ProgramError(f"truncated: the header needs {HEADER_BYTES} bytes, not {len(data)}")
        head = data[: HEADER_BYTES - _CRC.size]
        _, *values = _HEADER.unpack(head)
        header = cls(*values)
        if header.version != HEADER_VERSION:
            raise ProgramError(f"header version {header.version}, this tool reads {HEADER_VERSION}")
        _check_crc("the header", head, _CRC.unpack(data[len(head) : HEADER_BYTES])[0])
        return header


@dataclass(frozen=True)
class Program:
    """Instructions, from BEGIN to END, weights.bin's bytes, and the manifest."""

    instructions: tuple[Instruction, ...]
    weights: bytes
    manifest: Manifest

    @cached_property
    def words(self) -> bytes:
        """The encoded instructions."""
        return encode_all(self.instructions)

    @cached_property
    def parameters(self) -> bytes:
        """The parameter records."""
        return self.weights[: self.manifest.parameter_bytes]

    @cached_property
    def stripes(self) -> tuple[bytes, ...]:
        """The weights of each port."""
        ports, start = self.manifest.weight_ports, self.manifest.parameter_bytes
        size = (len(self.weights) - start) // ports
        return tuple(self.weights[start + k * size : start + (k + 1) * size] for k in range(ports))

    @property
    def regions(self) -> dict[str, bytes]:
        """What DRAM holds before any run, by the name of its base register."""
        striped = dict(zip(WEIGHT_BASES, self.stripes, strict=False))
        return {"program": self.words, "parameters": self.parameters, **striped}

    def encode(self) -> bytes:
        """program.bin."""
        header = Header(
            version=HEADER_VERSION,
            isa_version=self.manifest.isa_version,
            configuration=self.manifest.configuration_hash,
            instructions=len(self.instructions),
            instructions_crc32=checksum.checksum(self.words),
            weights_bytes=len(self.weights),
            weights_crc32=zlib.crc32(self.weights),
            parameter_bytes=self.manifest.parameter_bytes,
        )
        return header.encode() + self.words

    def save(self, folder: Path) -> None:
        """Write the three files; the manifest, which is the last, knows the others' checksums."""
        with writing(folder) as files:
            self.write(files)

    def write(self, files: Writing, within: str = "") -> None:
        """The three files, to be there together with others; ``within``: a folder of theirs."""
        files.bytes(f"{within}{PROGRAM_FILE}", self.encode())
        files.bytes(f"{within}{WEIGHTS_FILE}", self.weights)
        sums = {name: files.sha256(f"{within}{name}") for name in (PROGRAM_FILE, WEIGHTS_FILE)}
        files.json(f"{within}{MANIFEST_FILE}", seal({**self.manifest.to_json(), _FILES: sums}))

    @classmethod
    def load(cls, folder: Path, config: OverlayConfig | None = None) -> Program:
        """Read and check the three files; ``config``: the overlay that the program must fit."""
        with _readable(folder / PROGRAM_FILE) as path:
            program = program_bytes(path)
        header, instructions = read_program(program, config)
        weights = _read(folder / WEIGHTS_FILE, header.weights_bytes)
        _check_crc(WEIGHTS_FILE, weights, header.weights_crc32)
        manifest, sums = _read_manifest(folder / MANIFEST_FILE)
        found = {PROGRAM_FILE: _sha256(program), WEIGHTS_FILE: _sha256(weights)}
        if sums != found:
            raise ProgramError(
                f"{MANIFEST_FILE}, {PROGRAM_FILE} and {WEIGHTS_FILE} do not belong together: "
                "compile the model again"
            )
        return cls(instructions, weights, manifest)


def _read_manifest(path: Path) -> tuple[Manifest, Any]:
    """The manifest, and the checksums of the other files by name."""
    try:
        with _readable(path):
            data = unseal(versioned(read_json(path), "the manifest", MANIFEST_VERSION))
    except DocumentError as error:
        raise ProgramError(f"{path.name}: {error}") from None
    sums = data.pop(_FILES, None)
    return Manifest.from_json(data), sums


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def program_bytes(path: Path) -> bytes:
    """What a file holds that may be a program.bin; ProgramError if it is too long for one."""
    data = read_bounded(path, PROGRAM_LIMIT)
    if data is None:
        raise ProgramError(f"{path.name} is no program: it has more than {PROGRAM_LIMIT:,} bytes")
    return data


def read_program(
    data: bytes, config: OverlayConfig | None = None
) -> tuple[Header, tuple[Instruction, ...]]:
    """Parse and check program.bin; ``config``: the overlay that it must be for."""
    header = Header.decode(data)
    if header.isa_version != ISA_VERSION:
        raise ProgramError(
            f"the program is for ISA version {header.isa_version}, this tool has {ISA_VERSION}"
        )
    words = data[HEADER_BYTES:]
    if len(words) != header.instructions * INSTRUCTION_BYTES:
        raise ProgramError(
            f"truncated or overlong: {header.instructions} instructions need "
            f"{header.instructions * INSTRUCTION_BYTES} bytes, not {len(words)}"
        )
    if not words:
        raise ProgramError("the program has no instructions")
    _compare_crc("the instructions", checksum.checksum(words), header.instructions_crc32)
    if not checksum.is_sealed(words):
        raise ProgramError("corrupted: the last instruction does not carry the program's checksum")
    instructions = decode_words(words)
    if config is not None and header.configuration != config.hash:
        raise ProgramError(
            f"the program is for configuration {header.configuration:#010x}, "
            f"the overlay has {config.hash:#010x}: compile it again"
        )
    return header, instructions


def decode_words(words: bytes) -> tuple[Instruction, ...]:
    """Instructions from their bytes."""
    found: list[Instruction] = []
    for number, start in enumerate(range(0, len(words), INSTRUCTION_BYTES)):
        try:
            found.append(Instruction.decode(words[start : start + INSTRUCTION_BYTES]))
        except ValueError as error:
            raise ProgramError(f"instruction {number}: {error}") from None
    return tuple(found)


def _check_crc(what: str, data: bytes, expected: int) -> None:
    _compare_crc(what, zlib.crc32(data), expected)


def _compare_crc(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise ProgramError(f"corrupted: CRC-32 of {what} is {found:#010x}, not {expected:#010x}")


def _read(path: Path, size: int) -> bytes:
    """A file, which must have so many bytes; a longer one is not read."""
    with _readable(path):
        found = path.stat().st_size
        if size != found:
            raise ProgramError(f"{path.name} has {found} bytes, the program needs {size}")
        return path.read_bytes()


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """ProgramError if the system refuses."""
    try:
        yield path
    except OSError as error:
        raise ProgramError(f"cannot read {path}: {error.strerror}") from None
