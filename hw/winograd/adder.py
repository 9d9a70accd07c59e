"""An adder that subtracts on demand."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Const, Value


def add_signed(a: Value, b: Value, negative: Value) -> Value:
    """``a - b`` if ``negative``, else ``a + b``, both signed, in one carry chain.

    The bit that completes the two's complement enters below the sum: tools make a second adder of
    a third operand.
    """
    if isinstance(negative, Const):
        return a - b if negative.value else a + b
    flipped = b.as_unsigned() ^ negative.replicate(len(b))
    return (Cat(C(1, 1), a).as_signed() + Cat(negative, flipped).as_signed())[1:].as_signed()
