"""Where the array's multipliers lie in an ECP5-85F.

Left alone, the placer puts so much of the array around one row of multipliers, at the device's
edge, that the router does not come to an end (decision 0030).  Here the array takes all rows of
multipliers alike, a few columns of it in each: rows of the array lie side by side, so that operands
and sums go a short way.
"""

from __future__ import annotations

from hw.isa.config import OverlayConfig

DSP_ROWS = (10, 34, 58)
"""Rows of the device's grid with multipliers: Project Trellis, LFE5U-85F."""
_BLOCKS = (*range(4, 59, 9), *range(69, 115, 9))  # columns of the grid with which a block begins
_IN_BLOCK = ((0, 0), (1, 1), (4, 4), (5, 5))  # columns and numbers of its four multipliers
SITES = tuple(
    f"X{block + column}/Y{row}/MULT18_{number}"
    for row in DSP_ROWS
    for block in _BLOCKS
    for column, number in _IN_BLOCK
)
"""Of all multipliers, by nextpnr's names (bels), row by row."""


def array_sites(config: OverlayConfig, prefix: str) -> dict[str, str]:
    """The sites of the array's multipliers, by the names of their cells.

    ``prefix`` : what stands before their names within the array.  Nothing for more multipliers than
    there are sites.
    """
    columns = [f"column_{number}.column" for number in range(config.columns)]
    if config.lanes == 2:
        columns.insert(0, "before")  # the column of corrections
    share = -(-len(columns) // len(DSP_ROWS))
    cells = [
        f"{prefix}{column}.row_{row}.multiplier"
        for first in range(0, len(columns), share)
        for row in range(config.rows)
        for column in columns[first : first + share]
    ]
    sites, count = len(SITES), len(cells)
    if count > sites:
        return {}
    return {cell: SITES[(2 * n + 1) * sites // (2 * count)] for n, cell in enumerate(cells)}
