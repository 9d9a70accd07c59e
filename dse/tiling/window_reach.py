"""Which pixels of an image a window reaches."""

from __future__ import annotations

from dse.network.graph import Window


def all_touch(window: Window, image: tuple[int, int], output: tuple[int, int]) -> bool:
    """Whether every place of the window has a tap on the image.

    There is no maximum or average of nothing.
    """
    return all(
        _all_touch(
            image[axis],
            output[axis],
            window.kernel[axis],
            window.stride[axis],
            window.dilation[axis],
            window.padding[axis],
        )
        for axis in range(2)
    )


def _all_touch(n: int, count: int, kernel: int, stride: int, dilation: int, before: int) -> bool:
    """Whether each of ``count`` windows has a tap on one of ``n`` pixels.

    Taps no further apart than the image is long cannot miss it between them: then the first and
    the last window tell.
    """
    starts = [0, count - 1] if kernel == 1 or dilation <= n else range(count)
    for start in starts:
        first = start * stride - before
        tap = max(0, -(first // dilation))  # the first that is not before the image
        if tap >= kernel or first + tap * dilation >= n:
            return False
    return True
