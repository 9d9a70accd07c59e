"""How maps travel between stages."""

from __future__ import annotations

from dataclasses import dataclass

from hw.isa.config import ceil_div
from hw.lib.sizes import check_sizes


@dataclass(frozen=True, kw_only=True)
class MapLink:
    """How feature maps travel from a stage to the next.

    A beat carries ``width`` neighbouring channels of one pixel.  All pixels of a tile of channels
    follow each other in rows; then comes the next tile.  Lanes beyond the last channel are garbage.

    Parameters
    ----------
    channels, size : of the map.
    tile : channels of a tile; all of them: pixel after pixel.
    width : channels of a beat.
    """

    channels: int
    size: int
    tile: int
    width: int

    def __post_init__(self) -> None:
        check_sizes(1, channels=self.channels, size=self.size, width=self.width)
        check_sizes(1, self.channels, tile=self.tile)
        if self.tile < self.channels and self.tile % self.width:
            raise ValueError(f"width must divide the tile of {self.tile}, not {self.width!r}")

    @property
    def tiles(self) -> int:
        """Tiles of channels."""
        return ceil_div(self.channels, self.tile)

    @property
    def beats(self) -> int:
        """Beats of a map."""
        last = self.channels - (self.tiles - 1) * self.tile
        full = ceil_div(self.tile, self.width) * (self.tiles - 1)
        return (full + ceil_div(last, self.width)) * self.size**2

    def flattened(self, size: int) -> MapLink:
        """A map of so many rows and columns, each pixel of which is a whole map of this link.

        Its channels are all values of a map, in the order in which they arrive.
        """
        channels = self.width * self.beats
        return MapLink(channels=channels, size=size, tile=channels, width=self.width)
