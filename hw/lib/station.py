"""What stations of a stream share: the same payload on both sides."""

from __future__ import annotations

from typing import Any

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Station(wiring.Component):
    """A place that payloads pass in order.

    Parameters
    ----------
    shape : of the payload.

    Members
    -------
    i, o : streams in and out.
    """

    def __init__(self, *, shape: Any) -> None:
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})
