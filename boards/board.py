"""The boards that the project serves: what their devices hold, and what their memory delivers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from boards.cascade import ArrayPlace, place
from boards.ecp5_estimate import on_ecp5
from boards.estimate import breakdown
from boards.left import DSP_HEIGHT, LEFT, USABLE
from dse.cost import Infeasible
from dse.cost.clock import ClockStanding
from dse.explore.resources import Resources
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.isa.errors import PolymapError

T = TypeVar("T")

DDR4_2400_CHANNEL = 8 * 2400e6
"""Bytes per second of one 64-bit DDR4-2400 channel."""

DSP48E2 = Primitive(name="dsp48e2")
"""The slice of the cards' devices; the length of its cascades takes no resources."""


class DeviceFamily(enum.StrEnum):
    """A kind of device: its multipliers, its look-up tables, and who builds for it."""

    ULTRASCALE = "ultrascale"
    ECP5 = "ecp5"


class BoardError(PolymapError, ValueError):
    """An unknown board, or a resource that cannot be."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Resources, memory and design clock of one board, and what overlays take of it.

    It is the ``Card`` that ``dse.explore`` searches for.

    Members
    -------
    dsp, bram36, uram, lut, ff : DSP slices or multipliers, 36 kbit block RAMs, UltraRAMs, LUTs and
        flip-flops that an overlay may take.
    dsp_columns : whole columns of DSP slices, by die; a cascade lies in one.
    memory_channels : of ``channel_rate`` bytes per second each, such as DDR4-2400 of 64 bits.
    clock_hz : the clock that designs for this board aim at; ``clock_standing``: what supports it.
    address_bits : of addresses and sizes in the memory, as an overlay's registers hold them.
    source : who says what the card leaves; empty: the resources are those of the bare device.
    """

    name: str
    part: str
    dsp: int
    dsp_columns: tuple[int, ...]
    bram36: int
    uram: int
    lut: int
    ff: int
    memory_channels: int
    clock_hz: float
    clock_standing: ClockStanding = ClockStanding.ASSUMED
    family: DeviceFamily = DeviceFamily.ULTRASCALE
    channel_rate: float = DDR4_2400_CHANNEL
    address_bits: int = 64
    source: str = ""

    def __post_init__(self) -> None:
        counts = (self.dsp, self.bram36, self.lut, self.ff, self.memory_channels, self.clock_hz)
        if min(counts) <= 0 or self.uram < 0:
            raise BoardError(f"resources of board {self.name!r} must be positive: {self}")

    @property
    def memory_bandwidth(self) -> float:
        """Peak bytes per second of all channels."""
        return self.memory_channels * self.channel_rate

    @property
    def budget(self) -> dict[str, int]:
        """The resources by name, as cost models count them."""
        return {"dsp": self.dsp, "bram36": self.bram36, "uram": self.uram, "lut": self.lut}

    @property
    def limits(self) -> dict[str, int]:
        """The resources by name, flip-flops included."""
        return {**self.budget, "ff": self.ff}

    @property
    def device(self) -> dict[str, int]:
        """The resources of the bare device, by the same names."""
        return BOARDS[self.name].limits if self.name in BOARDS else self.limits

    @property
    def offer(self) -> str:
        """Whose the resources are, behind a number of them."""
        board = f"board {self.name!r}"
        return f"that the card of {board} leaves" if self.source else f"of {board}"

    def share(self, overlays: int) -> Board:
        """What one of so many equal overlays has of the board; there is a channel for each."""
        return replace(
            self,
            dsp=self.dsp // overlays,
            bram36=self.bram36 // overlays,
            uram=self.uram // overlays,
            lut=self.lut // overlays,
            ff=self.ff // overlays,
            memory_channels=self.memory_channels // overlays,
        )

    def blocks(self, config: OverlayConfig) -> dict[str, Resources]:
        """What each part of an overlay takes of the board, whether or not it has that much."""
        if self.family is DeviceFamily.ECP5:
            return on_ecp5(config)
        return breakdown(config, primitive=DSP48E2, uram=self.uram > 0)

    def fits(self, config: OverlayConfig) -> bool:
        """Whether ``boards.realise`` would not refuse an overlay."""
        return Resources.total(self.blocks(config).values()).within(self.limits)

    def place(self, config: OverlayConfig) -> ArrayPlace | None:
        """Where an array's columns lie in the device; None if it has too few slices."""
        return place(config, self.dsp_columns, self.dsp_height)

    def dies(self, config: OverlayConfig) -> tuple[range, ...]:
        """The columns of an overlay's array on each die, from the lowest; none without room."""
        found = self.place(config)
        return found.dies(len(self.dsp_columns), config.columns) if found else ()

    def crossings(self, config: OverlayConfig) -> int:
        """Borders between dies that an overlay's array crosses, if it finds room."""
        found = self.place(config)
        return len(found.borders) if found else 0

    @property
    def dsp_height(self) -> int:
        """Slices of a DSP column of one die."""
        return _entry(DSP_HEIGHT, self.name)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        computed = {"memory_bandwidth": self.memory_bandwidth, "device": self.device}
        return {**asdict(self), **computed}


U200 = Board(
    name="u200",
    part="xcu200-fsgd2104-2-e",
    dsp=6840,
    dsp_columns=(19, 19, 19),
    bram36=2160,
    uram=960,
    lut=1_182_240,
    ff=2_364_480,
    memory_channels=4,
    clock_hz=286e6,
)
U250 = Board(
    name="u250",
    part="xcu250-figd2104-2L-e",
    dsp=12288,
    dsp_columns=(32, 32, 32, 32),
    bram36=2688,
    uram=1280,
    lut=1_728_000,
    ff=3_456_000,
    memory_channels=4,
    clock_hz=286e6,
)
KCU1500 = Board(
    name="kcu1500",
    part="xcku115-flvb2104-2-e",
    dsp=5520,
    dsp_columns=(23, 23),
    bram36=2160,
    uram=0,
    lut=663_360,
    ff=1_326_720,
    memory_channels=4,
    clock_hz=250e6,  # UltraScale, a process generation before the Alveos' UltraScale+
)
ULX3S = Board(
    name="ulx3s",
    part="LFE5U-85F-6BG381C",
    dsp=156,
    dsp_columns=(1,),  # its multipliers have no cascades, so one column may hold all
    bram36=104,  # 208 of 18 kbit
    uram=0,
    lut=83_640,
    ff=83_640,
    memory_channels=1,
    clock_hz=25e6,
    clock_standing=ClockStanding.ROUTED,  # 8 x 8: docs/boards.md
    family=DeviceFamily.ECP5,
    channel_rate=8 * 25e6,  # a word of eight bytes a cycle, on chip
    address_bits=18,  # of 128 KiB on chip
)
BOARDS = {board.name: board for board in (U200, U250, KCU1500, ULX3S)}
"""The bare devices."""


def board(name: str, *, bare: bool = False) -> Board:
    """The board of a name, in any case: what its card leaves, or the bare device."""
    if name.lower() not in BOARDS:
        raise BoardError(f"no board named {name!r}; known: {', '.join(BOARDS)}")
    found = BOARDS[name.lower()]
    return found if bare else left(found)


def _entry(table: Mapping[str, T], name: str) -> T:
    """What boards/left.py says of a board."""
    if name not in table:
        raise BoardError(
            f"boards/left.py says nothing of board {name!r}: add how high its DSP columns are, and "
            "what its card leaves"
        )
    return table[name]


def left(bare: Board) -> Board:
    """What of a board's device shell or block design leave, less what stays free."""
    card = _entry(LEFT, bare.name)
    columns = tuple(die.dsp_columns for die in card.dies)
    return replace(
        bare,
        dsp=int(USABLE["dsp"] * sum(columns) * bare.dsp_height),
        dsp_columns=columns,
        bram36=int(USABLE["bram36"] * card.count("bram36")),
        uram=int(USABLE["uram"] * card.count("uram")),
        lut=int(USABLE["lut"] * card.count("lut")),
        ff=int(USABLE["ff"] * card.count("ff")),
        source=card.source,
    )


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
