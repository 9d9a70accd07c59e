"""Small outlines for tests of the search: seconds where a catalogue's network takes a minute."""

from __future__ import annotations

from dse.network.graph import Network
from dse.networks.builder import OutlineBuilder


def modules(width: int) -> Network:
    """GoogLeNet's modules: 3 x 3 and 5 x 5 behind reductions; few channels of many columns."""
    net = OutlineBuilder("modules", (28, width, 192))
    left, right = net.conv("input", "3x3_reduce", 96, 1), net.conv("input", "5x5_reduce", 16, 1)
    parts = [net.conv("input", "1x1", 64, 1), net.conv(left, "3x3", 128, 3)]
    net.conv(net.concat("j", *parts, net.conv(right, "5x5", 32, 5)), "y", 64, 1)
    return net.build()


def fires(name: str = "fires") -> Network:
    """SqueezeNet's beginning: a strided layer, a pooling, two fire modules."""
    net = OutlineBuilder(name, (112, 112, 3))
    x = net.pool(net.conv("input", "conv1", 64, 3, stride=2), "pool1", 3, stride=2)
    for fire, (squeezed, expanded) in enumerate(((16, 64), (32, 128))):
        x = net.conv(x, f"fire{fire}_squeeze", squeezed, 1)
        parts = (net.conv(x, f"fire{fire}_{k}x{k}", expanded, k) for k in (1, 3))
        x = net.concat(f"fire{fire}", *parts)
    return net.build()
