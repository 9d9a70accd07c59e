"""Which DDR4 channel of its board each of the overlay's masters reaches; every board has four."""

from __future__ import annotations

from boards.kernel import masters, regions

# Of gmem0, then of the weights' masters: only the fourth of these shares gmem0's channel.
_CHANNELS = (1, 2, 0, 3, 1)


def master_channels(weight_ports: int) -> dict[str, int]:
    """Master -> channel."""
    return dict(zip(masters(weight_ports), _CHANNELS, strict=False))


def region_channels(weight_ports: int) -> dict[str, int]:
    """Region, by the register of its base address -> channel."""
    channels = master_channels(weight_ports)
    return {name: channels[master] for name, master in regions(weight_ports).items()}
