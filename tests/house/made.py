"""Every component and bundle of the gateware, as two overlays make them."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.lib import wiring

import hw
from hw.bridge.standalone import Standalone
from hw.conv.array.column import Column
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.overlay import Overlay
from hw.stages.map_link import MapLink
from hw.stages.maximum_shape import MaximumShape
from hw.stages.scheme import Scheme
from hw.stages.shape import StageShape
from hw.stages.streamed_pipeline import StreamedPipeline
from hw.stages.weight_region import WeightBus

SMALL = {
    "rows": 3,
    "columns": 2,
    "axi_bytes": 8,
    "weight_ports": 2,
    "tensor_bytes": 4096,
    "weight_words": 32,
    "parameter_depth": 16,
    "accumulator_depth": 16,
}
DESIGNS = (
    {
        "config": OverlayConfig(
            **SMALL, winograd="both", scratch_words=128, normalisation=1, depthwise=2
        )
    },
    {"config": OverlayConfig(**SMALL, lanes=1), "primitive": Primitive(name="dsp48e2", cascade=2)},
)
LINK = MapLink(channels=2, size=6, tile=2, width=1)
FIRST = StageShape(
    name="first",
    n_in=2,
    n_out=4,
    size_in=6,
    size_out=6,
    kernel=3,
    stride=1,
    pad=1,
    groups=1,
    pool=MaximumShape(kernel=2, stride=2, size_out=3),
    para_in=1,
    para_out=2,
    para_seg=2,
    scheme=Scheme.LINE,
    bits=8,
    source=LINK,
    out_width=1,
    scaled=True,
)
SECOND = replace(
    FIRST,
    name="second",
    n_in=4,
    size_in=3,
    size_out=3,
    pool=None,
    scheme=Scheme.MAP,
    source=FIRST.target,
    scaled=False,
    packed=True,
)
STAGES = (FIRST, SECOND)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A component or a bundle, and the parameters that it was made from."""

    instance: Any
    parameters: Mapping[str, Any]


def kinds() -> list[type]:
    """All classes of components and of bundles that have a constructor."""
    for module in pkgutil.walk_packages(hw.__path__, "hw."):
        import_module(module.name)
    bases = (wiring.Component, wiring.Signature)
    found = (kind for base in bases for kind in _below(base) if "__init__" in vars(kind))
    return [kind for kind in found if _stands(kind)]


def _stands(kind: type) -> bool:
    """Whether it is its module's: tests of proofs make copies of modules, with faults."""
    return getattr(sys.modules[kind.__module__], kind.__name__, None) is kind


def _below(base: type) -> Iterator[type]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("hw."):
            yield kind
        yield from _below(kind)


@cache
def all_made() -> dict[type, Made]:
    """One of each kind."""
    found: dict[type, Made] = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds():
            patch.setattr(kind, "__init__", _recording(kind, found))
        for design in DESIGNS:
            overlay = Overlay(**design)
            board = Standalone(
                config=design["config"], overlay=overlay, memory_bytes=4096, divisor=4, clock_hz=1
            )
            Fragment.get(board, platform=object())
        column = Column(config=DESIGNS[0]["config"], primitive=Primitive(name="mult18x18d"))
        Fragment.get(column, platform=object())
        stages = StreamedPipeline(stages=STAGES, bus=WeightBus(data_bytes=8))
        Fragment.get(stages, platform=object())
    return found


def _recording(kind: type, found: dict[type, Made]) -> Any:
    construct = vars(kind)["__init__"]

    def record(self: Any, **parameters: Any) -> None:
        construct(self, **parameters)
        found.setdefault(kind, Made(instance=self, parameters=parameters))

    return record
