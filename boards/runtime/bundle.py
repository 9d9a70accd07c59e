"""A compiled model: its programs and the host's share, and the files of both.

Of a model of one segment the program's three files lie in the folder itself; one of several has a
folder for each program, ``segment1`` and on.  Beside them are the host's stages as ONNX models,
``host0.onnx`` and on, and ``model.json``, which says what goes where and knows the checksums of all
others.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx

from dse.assembly.program import MANIFEST_FILE, PROGRAM_FILE, WEIGHTS_FILE, Program
from dse.assembly.program_error import ProgramError
from dse.compile.segmented import compile_segments
from dse.files.arrays import ArraysError, read_npz, write_arrays
from dse.files.documents import DocumentError, build, read_json, seal, unseal, versioned
from dse.files.writing import Writing, writing
from dse.network.graph import Quantisation, Tensor
from dse.network.ports import ModelPort
from dse.onnx.host import Cut, Host, Subgraph
from dse.onnx.importer import Imported
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig

MODEL_FILE, CONSTANTS_FILE = "model.json", "constants.npz"
BUNDLE_VERSION = 1
_PROGRAM = "|".join(map(re.escape, (PROGRAM_FILE, WEIGHTS_FILE, MANIFEST_FILE)))
_MEMBER = re.compile(rf"(segment[1-9][0-9]*/)?({_PROGRAM})|host[0-9]+\.onnx")

Extents = tuple[int, ...]


@dataclass(frozen=True)
class PortEntry:
    """An input of the model, with a batch axis of one."""

    name: str
    dtype: str
    shape: Extents


@dataclass(frozen=True)
class CutEntry:
    """A tensor of the model (``name``, ``dtype``, ``shape``) that is one of a program."""

    name: str
    dtype: str
    shape: Extents
    tensor: str
    image: tuple[int, int, int]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, cut: Cut) -> CutEntry:
        """The entry of a cut."""
        tensor = cut.tensor
        own = (tensor.name, tensor.shape, tensor.scale, tensor.zero_point)
        return cls(cut.name, cut.dtype.name, cut.shape, *own)

    @property
    def cut(self) -> Cut:
        """The cut of the entry."""
        tensor = Tensor(self.tensor, *self.image, Quantisation(self.scale, self.zero_point))
        return Cut(self.name, np.dtype(self.dtype), self.shape, tensor)


@dataclass(frozen=True)
class ModelEntry:
    """What model.json says; ``files``: SHA-256 of the others, of a program that of its manifest."""

    version: int
    network: str
    segments: int
    inputs: tuple[PortEntry, ...]
    outputs: tuple[str, ...]
    entries: tuple[CutEntry, ...]
    exits: tuple[CutEntry, ...]
    files: dict[str, str]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model ready to run: a program for each segment, and the host."""

    network: str
    programs: tuple[Program, ...]
    host: Host

    @classmethod
    def of(
        cls,
        model: Imported,
        config: OverlayConfig,
        mapping: LayerMapping | None = None,
        batch: int = 1,
    ) -> Bundle:
        """Compile a model; ``batch``: images of a run."""
        programs = compile_segments(model.network, config, mapping, batch)
        return cls(model.network.name, programs, model.host)

    def save(self, folder: Path) -> None:
        """Write the files; those of another model are gone afterwards."""
        with writing(folder) as files:
            for name in _members(folder):
                files.absent(name)
            places = _places(len(self.programs))
            for place, program in zip(places, self.programs, strict=True):
                program.write(files, place)
            names = [f"{place}{MANIFEST_FILE}" for place in places] + self._write_host(files)
            sums = {name: files.sha256(name) for name in names}
            files.json(MODEL_FILE, seal(asdict(self._entry(sums))))

    def _write_host(self, files: Writing) -> list[str]:
        names = [_stage(number) for number in range(len(self.host.stages))]
        for name, stage in zip(names, self.host.stages, strict=True):
            files.bytes(name, stage.model.SerializeToString())
        with files.open(CONSTANTS_FILE) as stream:
            write_arrays(stream, self.host.constants)
        return [*names, CONSTANTS_FILE]

    def _entry(self, sums: Mapping[str, str]) -> ModelEntry:
        host = self.host
        return ModelEntry(
            version=BUNDLE_VERSION,
            network=self.network,
            segments=len(self.programs),
            inputs=tuple(PortEntry(p.name, p.dtype.name, p.shape) for p in host.inputs),
            outputs=host.outputs,
            entries=tuple(map(CutEntry.of, host.entries)),
            exits=tuple(map(CutEntry.of, host.exits)),
            files=dict(sums),
        )

    @classmethod
    def load(cls, folder: Path, config: OverlayConfig | None = None) -> Bundle:
        """Read and check the files; ProgramError if they are not those of a model.

        ``config``: the overlay that the programs must be for.
        """
        try:
            data = unseal(versioned(read_json(folder / MODEL_FILE), "the file", BUNDLE_VERSION))
            found = build(ModelEntry, data)
            for name, checksum in found.files.items():
                if hashlib.sha256((folder / name).read_bytes()).hexdigest() != checksum:
                    raise ProgramError(f"{name} is not that of {MODEL_FILE}: compile again")
            constants = read_npz(folder / CONSTANTS_FILE)
            stages = [
                Subgraph(onnx.load(folder / _stage(number))) for number in range(found.segments + 1)
            ]
        except OSError as error:
            raise ProgramError(f"cannot read {error.filename}: {error.strerror}") from None
        except (DocumentError, ArraysError) as error:
            raise ProgramError(f"{MODEL_FILE}: {error}") from None
        programs = [Program.load(folder / place, config) for place in _places(found.segments)]
        host = Host(
            inputs=tuple(ModelPort(p.name, np.dtype(p.dtype), p.shape) for p in found.inputs),
            outputs=found.outputs,
            entries=tuple(entry.cut for entry in found.entries),
            exits=tuple(entry.cut for entry in found.exits),
            stages=tuple(stages),
            constants=constants,
        )
        return cls(found.network, tuple(programs), host)


def _places(programs: int) -> list[str]:
    """Where the files of each program lie, below the model's folder."""
    return [""] if programs == 1 else [f"segment{number + 1}/" for number in range(programs)]


def _stage(number: int) -> str:
    return f"host{number}.onnx"


def _members(folder: Path) -> list[str]:
    """The programs' files and the host's stages that lie in a folder, whatever model's they are."""
    paths = [*folder.glob("*"), *folder.glob("segment*/*")]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [name for name in names if _MEMBER.fullmatch(name)]
