"""The graph passes that a mapping asks for, in their fixed order."""

from __future__ import annotations

from dse.assembly.program_error import ProgramError
from dse.network.graph import Network
from dse.passes import Arrangement, PassError, fold, rearrange
from dse.tiling.layer_mapping import LayerMapping


def transform(network: Network, mapping: LayerMapping) -> Network:
    """The network that the mapping's layers are the layers of; ProgramError if it cannot be.

    Tensors of the network keep their names and bytes, but for concatenations that are not made.
    """
    try:
        network = rearrange(network, mapping, Arrangement(mapping.merge, mapping.apart))
        mapping.check(conv.name for conv in network.convolutions())
        factors = {name: choice.fold for name, choice in mapping.layers.items() if choice.fold > 1}
        return fold(network, factors, mapping.concat_in_place)
    except PassError as error:
        raise ProgramError(f"mapping: {error}") from None
