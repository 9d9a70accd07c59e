"""Which memory channel of its board each of the overlay's masters reaches."""

from __future__ import annotations

from boards.kernel import masters, regions

_ORDER = (1, 2, 0, 3)
"""The first masters' channels, where a board has four: ``gmem0``, which alone writes, has the one
without ECC on a KCU1500."""


def master_channels(weight_ports: int, channels: int) -> dict[str, int]:
    """Master -> channel, of so many: one of its own as far as there are channels, then again."""
    order = [k for k in _ORDER if k < channels] + [*range(len(_ORDER), channels)]
    return {name: order[k % channels] for k, name in enumerate(masters(weight_ports))}


def region_channels(weight_ports: int, channels: int) -> dict[str, int]:
    """Region, by the register of its base address -> channel."""
    of_master = master_channels(weight_ports, channels)
    return {name: of_master[master] for name, master in regions(weight_ports).items()}
