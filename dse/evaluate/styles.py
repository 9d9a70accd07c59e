"""The same layers on the same card, as overlay and as layer pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.network.graph import Network
from dse.network.prune import prune
from dse.pipeline import Outcome
from dse.pipeline.from_network import LeadingChain
from dse.pipeline.model.bus_period import bus_period
from dse.pipeline.model.first_image import first_image
from dse.pipeline.stage_shapes import stage_shapes
from hw.isa.config import MAX_WEIGHT_PORTS
from hw.stages.weight_region import WeightBus

STYLES_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Style:
    """What one style of accelerator needs and gives.

    Members
    -------
    name : overlay or pipeline.
    latency_cycles : of one image. A pipeline's is exact while weights come in time; else it is an
        estimate (``latency_is_estimate``), as much longer as its period.
    period_cycles : from one image to the next.
    dsp, bram36, uram : DSP slices, 36 kbit block RAMs and UltraRAMs.
    utilisation : multiply-accumulates of direct convolution over what the slices in use could do
        meanwhile; Winograd makes more than 1 of it.
    """

    name: str
    latency_cycles: float
    latency_is_estimate: bool
    period_cycles: float
    dsp: int
    bram36: float
    uram: int
    utilisation: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both styles; ``stages``: the convolutions of both; ``ends_before``: what neither runs."""

    network: str
    card: Card
    clock_hz: float
    stages: int
    ends_before: str | None
    styles: tuple[Style, ...]

    def latency_ms(self, style: Style) -> float:
        """Milliseconds of one image, at the card's clock."""
        return style.latency_cycles / self.clock_hz * 1e3

    def images_per_second(self, style: Style) -> float:
        """Images that leave a second, at the card's clock."""
        return self.clock_hz / style.period_cycles

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        return {
            "version": STYLES_VERSION,
            "network": self.network,
            "board": self.card.name,
            "bare": not self.card.source,
            "clock_hz": self.clock_hz,
            "clock_standing": self.card.clock_standing.value,
            "stages": self.stages,
            "ends_before": self.ends_before,
            "styles": [
                {
                    **asdict(style),
                    "latency_ms": self.latency_ms(style),
                    "images_per_second": self.images_per_second(style),
                }
                for style in self.styles
            ],
        }


def leading_part(network: Network, chain: LeadingChain) -> Network:
    """The network up to the last stage of its chain."""
    return prune(replace(network, outputs=(chain.last,)))


def compared(found: Exploration, outcome: Outcome, card: Card, chain: LeadingChain) -> Comparison:
    """An exploration of the leading part beside a pipeline of the same layers."""
    return Comparison(
        network=chain.chain.name,
        card=card,
        clock_hz=card.clock_hz,
        stages=len(chain.chain.stages),
        ends_before=chain.ends_before,
        styles=(_overlay(found, card), _pipeline(outcome, card)),
    )


def _overlay(found: Exploration, card: Card) -> Style:
    mapping, config = found.mapping, found.configuration
    assert config is not None
    cycles = mapping.cycles
    if found.execution is not None:
        cycles = found.execution.cycles.total
    elif found.decision is not None:
        cycles = found.decision.cycles
    parts = list(card.blocks(config).values())
    busy = found.network.macs() / (mapping.peak_macs * cycles)
    return Style(
        name="overlay",
        latency_cycles=cycles,
        latency_is_estimate=False,
        period_cycles=cycles,
        dsp=sum(part.dsp for part in parts),
        bram36=sum(part.bram18 for part in parts) / 2,
        uram=sum(part.uram for part in parts),
        utilisation=busy,
    )


def _pipeline(outcome: Outcome, card: Card) -> Style:
    """Stages that read weights from DRAM wait for it where the card's channels are slower."""
    design = outcome.design
    shapes = stage_shapes(design)
    ports = 1 << min(MAX_WEIGHT_PORTS, card.memory_channels).bit_length() - 1
    period = bus_period(shapes, WeightBus(ports=ports))
    asked = design.dram_gb_per_s(card.clock_hz / 1e6) * 1e9
    slower = max(1.0, asked / card.memory_bandwidth, float(period.weights / period.stages))
    return Style(
        name="pipeline",
        latency_cycles=slower * first_image(shapes),
        latency_is_estimate=slower > 1,
        period_cycles=slower * design.cycles,
        dsp=design.dsp,
        bram36=design.ram / design.model.ram.blocks_per_unit,
        uram=0,
        utilisation=design.r2 / slower,
    )
