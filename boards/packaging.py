"""Everything that a board's tools need to build an emitted overlay, in one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from boards import block_design, xrt
from boards.board import Board, BoardError, DeviceFamily
from boards.kernel import KERNEL, kernel_verilog, weight_ports
from dse.files.writing import writing
from hw.lib.emit import Verilog

BUILD = "build.sh"


def scripts(board: Board, weight_ports: int, dies: Sequence[int] = ()) -> dict[str, str]:
    """Name -> text of what builds an overlay on the board; BoardError where nothing does.

    ``dies``: on which each column of the array is to lie; none named: the tools choose.
    """
    if board.name in xrt.SHELLS:
        return xrt.files(board, weight_ports, dies)
    if board.name in block_design.BOARD_PARTS:
        return block_design.files(board, weight_ports, dies)
    if board.family is DeviceFamily.ECP5:
        raise BoardError(
            f"board {board.name!r} needs no package: `polymap build` makes its bitstream"
        )
    raise BoardError(
        f"board {board.name!r} has no packaging: name its platform in boards/xrt.py, or its board "
        "files in boards/block_design.py"
    )


def package(
    board: Board,
    verilog: Verilog,
    out_dir: str | os.PathLike[str],
    *,
    dies: Sequence[int] = (),
    documents: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Writes design, kernel, scripts and settings; returns the files, ``build.sh`` builds them.

    ``verilog`` is that of a `Realisation` on the board; ``dies``: see `scripts`; ``documents``:
    JSON to lie beside it, by name of the file.
    """
    built = scripts(board, weight_ports(verilog), dies)
    texts = {"polymap.v": verilog.text, f"{KERNEL}.v": kernel_verilog(verilog), **built}
    folder = Path(out_dir)
    with writing(folder) as files:
        for name, text in texts.items():
            files.text(name, text, executable=name == BUILD)
        for name, document in (documents or {}).items():
            files.json(name, document)
    return tuple(folder / name for name in (*texts, *(documents or {})))
