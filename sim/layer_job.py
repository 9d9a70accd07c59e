"""Streams of a layer pipeline as bytes: images, and results back."""

from __future__ import annotations

import numpy as np

from dse.pipeline.stage_numbers import Ints
from hw.stages.map_link import MapLink


def beat_bytes(bits: int) -> int:
    """Bytes of a beat in a file."""
    return -(-bits // 8)


def map_beats(values: Ints, link: MapLink, bits: int) -> bytes:
    """A map [size, size, channels] as it travels."""
    parts = []
    for first in range(0, link.channels, link.tile):
        tile = values[:, :, first : first + link.tile].reshape(link.size**2, -1)
        room = -tile.shape[1] % link.width
        parts.append(np.pad(tile, ((0, 0), (0, room))).reshape(-1, link.width))
    return _packed(np.concatenate(parts), bits)


def map_values(data: bytes, link: MapLink, bits: int) -> Ints:
    """The map that travelled."""
    dtype = np.dtype(f"<i{bits // 8}")
    beats = np.frombuffer(data, dtype).astype(np.int64).reshape(-1, link.width)
    result = np.empty((link.size, link.size, link.channels), np.int64)
    at = 0
    for first in range(0, link.channels, link.tile):
        channels = min(link.tile, link.channels - first)
        count = link.size**2 * -(-channels // link.width)
        tile = beats[at : at + count].reshape(link.size, link.size, -1)
        result[:, :, first : first + channels] = tile[:, :, :channels]
        at += count
    return result


def _packed(beats: Ints, bits: int) -> bytes:
    return beats.astype(np.dtype(f"<i{bits // 8}")).tobytes()
