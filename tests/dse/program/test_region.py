"""Regions overlap exactly where they share bytes, as far as they promise to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dse.assembly.region import Memory, Region, strided


@st.composite
def regions(draw: st.DrawFn, pitches: st.SearchStrategy[int]) -> Region:
    pitch = draw(pitches)
    length, count = draw(st.integers(1, pitch)), draw(st.integers(1, 5))
    return strided(Memory.TENSOR, draw(st.integers(0, 30)), length, pitch, count)


def covered(region: Region) -> set[int]:
    starts = (region.start + piece * region.pitch for piece in range(region.count))
    return {byte for start in starts for byte in range(start, start + region.length)}


@given(regions(st.just(7)), regions(st.just(7)))
def test_equal_pitches_are_exact_or_close(a: Region, b: Region) -> None:
    shared = bool(covered(a) & covered(b))
    assert a.overlaps(b) >= shared
    assert a.overlaps(b) == b.overlaps(a)
    if a.count > 1 and b.count > 1 and min(a.end, b.end) - max(a.start, b.start) >= 7:
        assert a.overlaps(b) == shared


@given(regions(st.integers(1, 9)), regions(st.integers(1, 9)))
def test_nothing_is_missed(a: Region, b: Region) -> None:
    assert a.overlaps(b) >= bool(covered(a) & covered(b))


def test_memories_are_separate() -> None:
    assert not Region(Memory.TENSOR, 0, 4).overlaps(Region(Memory.PARAMETER, 0, 4))
