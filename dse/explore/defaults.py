"""The overlay of an array when nothing is said of its memories."""

from __future__ import annotations

from hw.isa.config import OverlayConfig, power_of_two

WEIGHT_ROWS = 8192
"""Reduction rows of weights that the buffer holds by default, of all columns: those of a
convolution 3 x 3 over 512 channels and more, so that its tiles need not be streamed again."""


def configuration(rows: int, columns: int, lanes: int, **overrides: int | str) -> OverlayConfig:
    """An overlay of R x C PEs with memories for usual networks.

    ``overrides`` are further parameters of OverlayConfig, by name.
    """
    least = 2 * max(rows, columns)
    parameters = {
        "rows": rows,
        "columns": columns,
        "lanes": lanes,
        "weight_words": max(power_of_two(least), WEIGHT_ROWS // max(1, lanes)),
    }
    return OverlayConfig.from_json({**parameters, **overrides})
