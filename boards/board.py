"""The boards that the project serves: what their devices hold, and what their memory delivers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from boards.estimate import breakdown
from dse.cost import Infeasible
from dse.explore.resources import Resources
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.isa.errors import PolymapError

DDR4_2400_CHANNEL = 8 * 2400e6
"""Bytes per second of one 64-bit DDR4-2400 channel."""

FLIP_FLOPS_PER_LUT = 2  # of a logic block of UltraScale and UltraScale+

DSP48E2 = Primitive(name="dsp48e2")
"""The slice of all boards' devices; the length of its cascades takes no resources."""


class BoardError(PolymapError, ValueError):
    """An unknown board, or a resource that cannot be."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Device resources, memory and design clock of one board, and what overlays take of it.

    It is the ``Card`` that ``dse.explore`` searches for.

    Members
    -------
    dsp, bram36, uram, lut : DSP48E2 slices, 36 kbit block RAMs, UltraRAMs and LUTs of the device.
    memory_channels : DDR4-2400 channels of 64 bits.
    clock_hz : the clock that designs for this board aim at.
    """

    name: str
    part: str
    dsp: int
    bram36: int
    uram: int
    lut: int
    memory_channels: int
    clock_hz: float

    def __post_init__(self) -> None:
        counts = (self.dsp, self.bram36, self.lut, self.memory_channels, self.clock_hz)
        if min(counts) <= 0 or self.uram < 0:
            raise BoardError(f"resources of board {self.name!r} must be positive: {self}")

    @property
    def memory_bandwidth(self) -> float:
        """Peak bytes per second of all channels."""
        return self.memory_channels * DDR4_2400_CHANNEL

    @property
    def budget(self) -> dict[str, int]:
        """The resources by name, as cost models count them."""
        return {"dsp": self.dsp, "bram36": self.bram36, "uram": self.uram, "lut": self.lut}

    @property
    def limits(self) -> dict[str, int]:
        """The resources by name, flip-flops included."""
        return {**self.budget, "ff": FLIP_FLOPS_PER_LUT * self.lut}

    def blocks(self, config: OverlayConfig) -> dict[str, Resources]:
        """What each part of an overlay takes of the board, whether or not it has that much."""
        return breakdown(config, primitive=DSP48E2, uram=self.uram > 0)

    def fits(self, config: OverlayConfig) -> bool:
        """Whether ``boards.realise`` would not refuse an overlay."""
        return Resources.total(self.blocks(config).values()).within(self.limits)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        return {**asdict(self), "memory_bandwidth": self.memory_bandwidth}


U200 = Board(
    name="u200",
    part="xcu200-fsgd2104-2-e",
    dsp=6840,
    bram36=2160,
    uram=960,
    lut=1_182_240,
    memory_channels=4,
    clock_hz=286e6,
)
U250 = Board(
    name="u250",
    part="xcu250-figd2104-2L-e",
    dsp=12288,
    bram36=2688,
    uram=1280,
    lut=1_728_000,
    memory_channels=4,
    clock_hz=286e6,
)
KCU1500 = Board(
    name="kcu1500",
    part="xcku115-flvb2104-2-e",
    dsp=5520,
    bram36=2160,
    uram=0,
    lut=663_360,
    memory_channels=4,
    clock_hz=250e6,  # UltraScale, a process generation before the Alveos' UltraScale+
)
BOARDS = {board.name: board for board in (U200, U250, KCU1500)}


def board(name: str) -> Board:
    """The board of a name, in any case."""
    if name.lower() not in BOARDS:
        raise BoardError(f"no board named {name!r}; known: {', '.join(BOARDS)}")
    return BOARDS[name.lower()]


def limited(board: Board, *, dsp: int | None = None, clock_hz: float | None = None) -> Board:
    """The board with a part of its DSPs, at another clock; Infeasible beyond the board's own."""
    if clock_hz is not None and clock_hz > board.clock_hz:
        raise Infeasible(
            f"a design for board {board.name!r}",
            bound="clock_mhz",
            needed=clock_hz / 1e6,
            available=board.clock_hz / 1e6,
            remedy=f"choose {board.clock_hz / 1e6:g} MHz or less, or a faster device",
        )
    return replace(
        board,
        dsp=board.dsp if dsp is None else min(dsp, board.dsp),
        clock_hz=clock_hz or board.clock_hz,
    )
