"""On-chip memory blocks and how many of them a buffer takes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.pipeline.model.search_error import DeviceError

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Ram:
    """A kind of memory block, as its simple dual-port shapes (one read, one write port).

    A port is divided in byte lanes with a write enable each: 9 bits wide in an AMD block RAM
    (UG473, UG573), 10 in an Intel M20K. A lane holds one byte, so that a producer can write any
    word alone; the ninth and tenth bits stay unused.

    Parameters
    ----------
    name : str
        Name of the block.
    shapes : tuple of (depth, lanes)
        Words a block is deep, and byte lanes a word is wide.
    blocks_per_unit : int
        Blocks in the unit that data sheets count: a BRAM36 holds two independent RAMB18.
    unit : str
        That unit.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    blocks_per_unit: int
    unit: str

    def __post_init__(self) -> None:
        if not self.shapes or any(depth < 1 or lanes < 1 for depth, lanes in self.shapes):
            raise DeviceError(f"memory {self.name}: every shape must be (depth, lanes), both >= 1")

    def in_units(self, blocks: int) -> str:
        """A number of blocks in the unit of the data sheet, such as ``279.5 BRAM36``."""
        return f"{blocks / self.blocks_per_unit:g} {self.unit}"

    def blocks(self, *, lanes: IntArray, depth: IntArray) -> IntArray:
        """Blocks of a memory ``lanes`` bytes wide and ``depth`` words deep, in its best shape."""
        options = [
            -(-lanes // shape_lanes) * -(-depth // shape_depth)
            for shape_depth, shape_lanes in self.shapes
        ]
        return np.minimum.reduce(options)
