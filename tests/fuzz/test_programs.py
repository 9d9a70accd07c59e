"""Damaged programs do no harm; the fuzzers draw what they promise, and see what is bad."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hw.isa import LAYOUTS, Opcode, decode, limits
from tests.fuzz import fields, programs
from tests.fuzz.campaign import campaign
from tests.fuzz.programs import BATCH, CHANGES, OVERLAYS, draw, instructions, judge, target
from tests.kit.sealing import sealed
from tests.rtl.overlays import OVERLAYS as CONFIGS
from tests.rtl.overlays import swept

EACH_OVERLAY = swept(OVERLAYS)


def test_overlays_of_all_kinds() -> None:
    configs = [CONFIGS[name] for name in OVERLAYS]
    assert {config.lanes for config in configs} == {1, 2}
    assert {config.weight_ports for config in configs} == {1, 2, 4}
    assert {len(config.transforms) for config in configs} == {0, 1, 4}


def test_every_change_is_drawn() -> None:
    """Each with a right checksum and with a stale one, and each is a change."""
    drawn = [draw(seed) for seed in range(300)]
    names = {change.__name__ for change in CHANGES}
    assert {(one.name, one.stale) for one in drawn} == {(n, s) for n in names for s in (0, 1)}
    assert {one.overlay for one in drawn} == set(OVERLAYS)
    for one in drawn:
        assert not one.words.startswith(b"".join(instructions(one.overlay)))
        assert one.stale or sealed(one.words) == one.words


def test_every_field_is_swept() -> None:
    """Of each kind of instruction, at both ends and at zero."""
    for overlay in OVERLAYS:
        decoded = [decode(word) for word in instructions(overlay)]
        swept = {
            (decoded[number][0], name, value)
            for one, number, name, value in fields.cases()
            if one == overlay
        }
        for opcode in Opcode:
            for name in LAYOUTS[opcode].members:
                own = {values[name] for kind, values in decoded if kind is opcode}
                ends = {0, *limits(opcode, name)} - own
                assert {(opcode, name, value) for value in ends} <= swept


@pytest.mark.rtl
@pytest.mark.parametrize("overlay", EACH_OVERLAY)
def test_damaged_programs(overlay: str) -> None:
    first = BATCH * OVERLAYS.index(overlay)
    assert campaign(programs.FUZZER, range(first, first + 6), workers=1).bad == ()


@pytest.mark.rtl
@pytest.mark.parametrize("overlay", EACH_OVERLAY)
def test_fields_at_their_ends(overlay: str) -> None:
    own = [seed for seed, (name, *_) in enumerate(fields.cases()) if name == overlay]
    assert campaign(fields.FUZZER, own[::67], workers=1).bad == ()


@pytest.mark.rtl
def test_a_silent_result_is_bad() -> None:
    """The good program in the guise of one with a stale checksum ends without an error."""
    good = replace(draw(0), words=target("2x2").program.words, stale=True)
    (verdict,) = judge([good])
    assert not verdict.good
    assert verdict.kind == "stale: the same results"


@pytest.mark.rtl
@pytest.mark.slow
def test_many_damaged_programs() -> None:
    assert campaign(programs.FUZZER, range(500)).bad == ()
