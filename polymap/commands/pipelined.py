"""``polymap explore --style pipeline|both``: layer pipelines on a card, and beside its overlay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from dse.cost.clock import latency
from dse.evaluate.styles import Comparison, compared
from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.files.writing import writing
from dse.network.graph import Network
from dse.pipeline import Method, Outcome, cost_model, device_budget, run
from dse.pipeline.from_network import LeadingChain, leading_chain
from dse.pipeline.on_card import device_of
from dse.pipeline.search_report import summary, to_json, to_tables
from dse.process.progress import Progress
from polymap.commands import output

STYLES_FILE, STYLES_PAGE = "styles.json", "styles.html"
PIPELINE_FILE, PIPELINE_PAGE = "pipeline.json", "pipeline.html"
_BITS = 8  # of the overlay, too
_PER_DSP = 2  # products of a slice, packed


class StyleName(StrEnum):
    """The kind of accelerator: one array for all layers, a stage for each, or both compared."""

    OVERLAY = "overlay"
    PIPELINE = "pipeline"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class Pipelined:
    """A pipeline of a network's leading chain on a card."""

    outcome: Outcome
    chain: LeadingChain
    card: Card

    def tell(self, *, as_json: bool) -> None:
        """The stages."""
        if as_json:
            output.document(self._result())
            return
        output.show(to_tables(self.outcome))
        typer.echo(summary(self.outcome, mhz=self.card.clock_hz / 1e6))
        if self.chain.ends_before is not None:
            typer.echo(f"the stages end before {self.chain.ends_before}")

    def save(self, out: Path) -> None:
        """The pipeline's files."""
        from dse.pipeline.plot import balance_page  # plotly takes a while to import

        with writing(out) as files:
            files.json(PIPELINE_FILE, self._result())
            files.text(PIPELINE_PAGE, balance_page(self.outcome.design))

    def beside(self, found: Exploration) -> Comparison:
        """The overlay that was found for the same layers, and the pipeline."""
        return compared(found, self.outcome, self.card, self.chain)

    def _result(self) -> dict[str, object]:
        made = to_json(self.outcome, mhz=self.card.clock_hz / 1e6)
        return {**made, "ends_before": self.chain.ends_before}


def pipelined(network: Network, card: Card, progress: Progress) -> Pipelined:
    """The parallelisms of the leading chain on what the card leaves."""
    chain, device = leading_chain(network), device_of(card)
    model = cost_model(device, bits=_BITS, per_dsp=_PER_DSP)
    budget = device_budget(device)
    outcome = run(chain.chain, device, model, budget, method=Method.EXACT, progress=progress.note)
    return Pipelined(outcome=outcome, chain=chain, card=card)


def tell_both(both: Comparison, *, as_json: bool) -> None:
    """The comparison."""
    if as_json:
        output.document(both.to_json())
        return
    standing = both.card.clock_standing
    output.table(
        ("style",),
        ("latency", "images/s", "DSP", "BRAM36", "URAM", "utilisation"),
        [
            (
                style.name,
                ("about " if style.latency_is_estimate else "")
                + latency(both.latency_ms(style), both.clock_hz, standing),
                f"{both.images_per_second(style):,.0f}",
                f"{style.dsp:,}",
                f"{style.bram36:,g}",
                f"{style.uram:,}",
                f"{style.utilisation:.1%}",
            )
            for style in both.styles
        ],
    )
    typer.echo(f"{both.network}: {both.stages} convolutions on {both.card.name}")
    if both.ends_before is not None:
        typer.echo(f"the stages end before {both.ends_before}; neither style runs what follows")


def save_both(both: Comparison, out: Path) -> None:
    """The comparison's files."""
    from polymap.report.styles_figure import page  # plotly takes a while to import

    with writing(out) as files:
        files.json(STYLES_FILE, both.to_json())
        files.text(STYLES_PAGE, page(both))
