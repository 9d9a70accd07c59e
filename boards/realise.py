"""How a board carries an overlay: the one place that says whether it fits, and of what it is made.

Elaboration, exploration and packaging all ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from boards import cascade
from boards.board import Board
from boards.estimate import breakdown, require
from boards.resources import Resources
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.overlay import Overlay

DSP48E2 = Primitive(name="dsp48e2")
"""The slice of all boards' devices; the length of its cascades takes no resources."""


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
        return sum(self.blocks.values(), Resources())

    def overlay(self) -> Overlay:
        """The gateware."""
        return Overlay(config=self.config, ram_style=self.ram_style, primitive=self.primitive)


def realise(config: OverlayConfig, board: Board) -> Realisation:
    """The overlay on the board; BoardError says what is lacking, how much, and what to do."""
    require(config, board, primitive=DSP48E2)
    return Realisation(
        config=config,
        board=board,
        primitive=cascade.primitive(config, board),
        ram_style="ultra" if board.uram else None,
        blocks=blocks(config, board),
    )


def blocks(config: OverlayConfig, board: Board) -> dict[str, Resources]:
    """What each part of an overlay takes of the board, whether or not it has that much."""
    return breakdown(config, primitive=DSP48E2, uram=board.uram > 0)


def resources(config: OverlayConfig, board: Board) -> Resources:
    """What an overlay takes of the board, in all."""
    return sum(blocks(config, board).values(), Resources())


def fits(config: OverlayConfig, board: Board) -> bool:
    """Whether `realise` would not refuse: an array always finds as many cascades as slices."""
    return resources(config, board).fits(board)
