"""The one way onto a board: an overlay as the board carries it, or what is lacking.

Elaboration and packaging come through here; the search asks the board whether this would succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from boards.board import Board, BoardError, DeviceFamily
from dse.explore.resources import Resources
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.overlay import Overlay


class ResourceError(BoardError):
    """An overlay does not fit: ``bound``, what it ``needed`` and what is ``available``."""

    def __init__(self, message: str, *, bound: str, needed: int, available: int) -> None:
        super().__init__(message)
        self.bound = bound
        self.needed = needed
        self.available = available


@dataclass(frozen=True, kw_only=True)
class Realisation:
    """An overlay as a board carries it.

    Members
    -------
    primitive : what the PEs are made of, in cascades that find room in the device's DSP columns.
    ram_style : of the tensor memory's banks; None: the vendor's tool chooses.
    blocks : what each part takes, see boards/estimate.py.
    """

    config: OverlayConfig
    board: Board
    primitive: Primitive
    ram_style: str | None
    blocks: Mapping[str, Resources]

    @property
    def resources(self) -> Resources:
        """What the whole overlay takes."""
        return Resources.total(self.blocks.values())

    @property
    def note(self) -> str:
        """Why registers between dies are not where the board needs them; empty: they are."""
        return _crossing_note(self.config, self.board)

    def overlay(self) -> Overlay:
        """The gateware."""
        return Overlay(
            config=self.config,
            ram_style=self.ram_style,
            primitive=self.primitive,
            address_bits=self.board.address_bits,
        )


def realise(config: OverlayConfig, board: Board) -> Realisation:
    """The overlay on the board; BoardError says what is lacking, how much, and what to do.

    Nothing that ``board.fits`` is refused: an array finds as many cascades as there are slices.
    """
    blocks = board.blocks(config)
    _require(config, board, blocks)
    return Realisation(
        config=config,
        board=board,
        primitive=primitive(config, board),
        ram_style="ultra" if board.uram else None,
        blocks=blocks,
    )


def primitive(config: OverlayConfig, board: Board) -> Primitive:
    """What the array's elements are made of on the board; BoardError if they find no room.

    DSP48E2 elements lie in the longest cascades that do.  Where the configuration says that the
    array crosses as many borders of dies as it does here, the registers stand at those.
    """
    found = board.place(config)
    if found is None:
        columns = config.columns + config.lanes - 1
        needed = config.rows * columns
        raise BoardError(
            f"an array of {config.rows} x {columns} elements takes {needed:,} DSP slices, "
            f"{needed - board.dsp:,} more than the {board.dsp:,} {board.offer}; "
            "choose fewer rows or columns"
        )
    borders = found.borders if len(found.borders) == config.crossings else ()
    if board.family is DeviceFamily.ECP5:
        return Primitive(name="mult18x18d", borders=borders)
    cascade = 0 if found.cascade == config.rows else found.cascade
    return Primitive(name="dsp48e2", cascade=cascade, borders=borders)


def _crossing_note(config: OverlayConfig, board: Board) -> str:
    """What is wrong with the configuration's crossings, where, and what to do.

    It is no error: results are right, and cycles are those of the configuration.
    """
    found = board.place(config)
    borders = found.borders if found else ()
    if len(borders) == config.crossings:
        return ""
    where = f" (before columns {', '.join(map(str, borders))})" if borders else ""
    effect = "no registers stand there" if borders else "its registers only take cycles"
    return (
        f"an array of {config.rows} x {config.columns} crosses {len(borders)} border(s) of dies "
        f"of board {board.name!r}{where}, but crossings is {config.crossings}: {effect}; "
        f'set "crossings": {len(borders)} in the file of --config, as explore does'
    )


def _require(config: OverlayConfig, board: Board, blocks: Mapping[str, Resources]) -> None:
    """ResourceError if the board has less than the overlay's estimate."""
    total, limits = Resources.total(blocks.values()), board.limits
    over = {
        name: getattr(total, name) / max(limit, 1)
        for name, limit in limits.items()
        if getattr(total, name) > limit
    }
    if not over:
        return
    bound = max(over, key=lambda name: over[name])
    needed, available = getattr(total, bound), limits[bound]
    size = {name: getattr(part, bound) for name, part in blocks.items()}
    largest = max(size, key=lambda name: size[name])
    raise ResourceError(
        f"an overlay of {config.rows} x {config.columns} takes {needed:,} {bound} (estimate), "
        f"{needed - available:,} more than the {available:,} {board.offer}; "
        f"most of it is {largest} with {size[largest]:,}: choose {_REMEDIES[largest]}",
        bound=bound,
        needed=needed,
        available=available,
    )


_REMEDIES = {
    "elements": "fewer rows or columns",
    "feet": "fewer columns or a smaller accumulator_depth",
    "edges": "fewer rows",
    "crossings": "fewer columns",
    "collector": "fewer columns",
    "writer": "fewer columns",
    "tables": "fewer tables",
    "products": "no products",
    "normalisation": "no normalisation",
    "depthwise": "no depthwise",
    "sequencer": "a larger board",
    "feeder": "fewer rows",
    "activations": "fewer rows",
    "winograd": "fewer columns, or a smaller scratch_words",
    "tensor memory": "a smaller tensor_bytes, or one of tensor_copies",
    "parameters": "a smaller parameter_depth",
    "weights": "a smaller weight_words",
    "buses": "a smaller axi_bytes or fewer weight_ports",
    "pooling": "a smaller pool_lanes",
}
