"""Fields with names for their values keep their bits, whatever those hold."""

from __future__ import annotations

import pytest
from amaranth.hdl import Shape

from hw.isa import (
    LAYOUTS,
    Algorithm,
    Base,
    Combination,
    Dataflow,
    MemorySpace,
    Opcode,
    decode,
    encode,
)

SIZES = {"BEGIN": 128, "LOAD": 139, "STORE": 139, "WEIGHTS": 160, "CONV": 782, "POOL": 586}
NAMED = {
    (Opcode.LOAD, "base"): (Base, 32, 2),
    (Opcode.LOAD, "space"): (MemorySpace, 34, 1),
    (Opcode.STORE, "base"): (Base, 32, 2),
    (Opcode.STORE, "space"): (MemorySpace, 34, 1),
    (Opcode.POOL, "combination"): (Combination, 518, 2),
    (Opcode.CONV, "dataflow"): (Dataflow, 384, 2),
    (Opcode.CONV, "algorithm"): (Algorithm, 386, 3),
}


def test_sizes() -> None:
    found = {opcode.name: layout.size for opcode, layout in LAYOUTS.items()}
    assert found == {**SIZES, "END": 64}


@pytest.mark.parametrize("place", NAMED, ids=lambda place: f"{place[0].name}-{place[1]}")
def test_named_fields(place: tuple[Opcode, str]) -> None:
    opcode, name = place
    values, offset, width = NAMED[place]
    field = LAYOUTS[opcode][name]
    assert (field.shape, field.offset) == (values, offset)
    assert Shape.cast(field.shape) == Shape(width)
    for value in range(1 << width):  # of which the enumeration may lack some
        word = encode(opcode, {name: value})
        assert int.from_bytes(word, "little") == opcode | value << offset
        assert decode(word)[1][name] == value
    with pytest.raises(ValueError, match=rf"{opcode.name}\.{name} must be in \[0, {value}\]"):
        encode(opcode, {name: value + 1})
