"""Space-to-depth of an image: the host's share of the operator of that name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.network.graph import Network, SpaceToDepth


def space_to_depth(
    image: npt.NDArray[np.int8], block: tuple[int, int], zero_point: int
) -> npt.NDArray[np.int8]:
    """[ceil(H / by), ceil(W / bx), by * bx * C] of [H, W, C]: (row, column, channel) in a block.

    What a last block has beyond the image is the zero point.
    """
    height, width, channels = image.shape
    by, bx = block
    beyond = ((0, -height % by), (0, -width % bx), (0, 0))
    padded = np.pad(image, beyond, constant_values=zero_point)
    rows, columns = padded.shape[0] // by, padded.shape[1] // bx
    blocks = padded.reshape(rows, by, columns, bx, channels).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(blocks).reshape(rows, columns, by * bx * channels)


def from_host(network: Network) -> list[str]:
    """The tensors that the host brings: inputs that are read as they are, and blocks of others."""
    unseen = rearranged(network)
    return [
        *(name for name in network.inputs if name not in unseen),
        *(op.output for op in network.operators if isinstance(op, SpaceToDepth)),
    ]


def rearranged(network: Network) -> set[str]:
    """The inputs that are only read in blocks: the overlay never sees them as they are."""
    return {
        name
        for name in set(network.inputs) - set(network.outputs)
        if network.consumers[name]
        and all(isinstance(op, SpaceToDepth) for op in network.consumers[name])
    }
