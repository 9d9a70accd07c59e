"""Windows of an image by plain numpy: their taps, and convolutions of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def extent(n: int, axis: int, kernel, window: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    """(count, stride, dilation, before, after) of a window along an axis of ``n`` pixels."""
    stride = window.get("strides", (1, 1))[axis]
    dilation = window.get("dilations", (1, 1))[axis]
    reach = dilation * (kernel[axis] - 1) + 1
    mode = window.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        total = max((-(-n // stride) - 1) * stride + reach - n, 0)
        before = (total + 1) // 2 if mode == "SAME_LOWER" else total // 2
        after = total - before
    else:
        pads = window.get("pads", (0, 0, 0, 0)) if mode == "NOTSET" else (0, 0, 0, 0)
        before, after = pads[axis], pads[axis + 2]
    span = n + before + after - reach
    if window.get("ceil_mode", 0):
        count = -(-span // stride) + 1
        if (count - 1) * stride >= n + before:
            count -= 1
    else:
        count = span // stride + 1
    return count, stride, dilation, before, after


def tapped(x: Array, kernel, window: Mapping[str, Any], outside: float) -> tuple[Array, ...]:
    """[N, C, H, W, ky, kx] of values; whether each lies in the image, and in image or padding."""
    rows, columns = (extent(x.shape[2 + a], a, kernel, window) for a in range(2))
    at = []
    for (count, stride, dilation, before, _), k in zip((rows, columns), kernel, strict=True):
        at.append(np.arange(count)[:, None] * stride + np.arange(k) * dilation - before)
    y, c = at[0][:, None, :, None], at[1][None, :, None, :]
    inside = (y >= 0) & (y < x.shape[2]) & (c >= 0) & (c < x.shape[3])
    padded = (y < x.shape[2] + rows[4]) & (c < x.shape[3] + columns[4]) & np.ones_like(inside)
    taps = x[:, :, np.clip(y, 0, x.shape[2] - 1), np.clip(c, 0, x.shape[3] - 1)]
    return np.where(inside, taps, outside), inside, padded


def convolve(x: Array, weight: Array, groups: int, kernel, window: Mapping[str, Any]) -> Array:
    taps = tapped(x, kernel, window, 0.0)[0]
    n, channels, height, width = taps.shape[:4]
    taps = taps.reshape(n, groups, channels // groups, height, width, *kernel)
    weight = weight.reshape(groups, -1, channels // groups, *kernel)
    sums = np.einsum("ngchwyx,gocyx->ngohw", taps, weight, optimize=True)
    return sums.reshape(n, -1, height, width)
