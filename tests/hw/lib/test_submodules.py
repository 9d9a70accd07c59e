"""No component is made and forgotten: what a test leaves unused is not looked at elsewhere."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest
from amaranth.hdl import Fragment, Module, UnusedElaboratable
from amaranth.lib import wiring

from hw.isa.config import OverlayConfig
from hw.lib.queue import Queue
from hw.overlay import Overlay
from tests.rtl.overlays import OVERLAYS


def forgotten(component: Any) -> list[str]:
    """Elaboratables that are made within a component, and not made part of it."""
    gc.collect()  # those of other tests
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnusedElaboratable)
        Fragment.get(component, None)
        gc.collect()
    return [str(one.message) for one in caught]


@pytest.mark.parametrize("config", [OVERLAYS["3x4"], OVERLAYS["f4"]], ids=["3x4", "f4"])
def test_the_overlay_forgets_nothing(config: OverlayConfig) -> None:
    assert forgotten(Overlay(config=config)) == []


class Forgetful(wiring.Component):
    """Makes a queue and does not add it."""

    def __init__(self) -> None:
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        Queue(shape=8, depth=2)
        return Module()


def test_what_is_forgotten_is_found() -> None:
    (one,) = forgotten(Forgetful())
    assert "Queue object" in one
