"""The outcome of an exploration: the chosen overlay and mapping, and the files that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dse.compile.segmented import compile_segments
from dse.cost import CostModel
from dse.cost.clock import ClockStanding
from dse.cost.overlay_model import OverlayModel
from dse.explore.candidate import compiler_choices
from dse.explore.card import Card
from dse.explore.execution import Execution
from dse.explore.flights import Flight, sizes, unbeaten
from dse.explore.memories import with_tensors
from dse.explore.objectives import Objective
from dse.explore.trials import Decision
from dse.explore.waterfall import Parts, waterfall, waterfall_by_layer
from dse.files.writing import Writing, writing
from dse.mapping import LayerChoice, NetworkMapping, ParetoPoint, Restriction, SearchGrid
from dse.network.graph import Network
from dse.passes import Arrangement, Passes
from dse.tiling.layer_mapping import MAPPING_VERSION, LayerMapping
from hw.isa.config import CONFIGURATION_VERSION, OverlayConfig
from hw.isa.errors import InputError

MAPPING_FILE, CONFIGURATION_FILE = "mapping.json", "configuration.json"
RESULT_FILE = "exploration.json"
EXPLORATION_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Exploration:
    """The chosen hardware and mapping.

    Members
    -------
    board : None if any would do; its clock and DSPs are the ones explored with.
    network : the outline of what was mapped, behind the passes and the ``arrangement``; merged
        layers are named after all of a group.
    model : of the chosen hardware, whose ``lanes`` and ``configuration`` follow from it.
    configuration : of the overlay; None if the model's hardware is not ours.
    pareto : the designs that no other beats in latency and DSPs; empty if the array was given.
    grids : all arrays, by family of hardware.
    certified_gap : cycles of the closed form's best mapping of the chosen hardware above the
        optimum that HiGHS finds; None: it was not asked.
    decision : why it is not that mapping that was chosen; None: the closed form alone decided.
    execution : the compiled program and its exact cycles, if asked for.
    overlays : how many of the overlay are on the card.
    flights : of one image and several at a time, if compiled, and of other numbers of overlays.
    """

    board: Card | None
    objective: Objective
    network: Network
    passes: Passes
    arrangement: Arrangement
    restriction: Restriction
    model: CostModel
    configuration: OverlayConfig | None
    mapping: NetworkMapping
    pareto: tuple[ParetoPoint, ...]
    grids: tuple[SearchGrid, ...]
    certified_gap: float | None
    seconds: float
    decision: Decision | None = None
    execution: Execution | None = None
    overlays: int = 1
    flights: tuple[Flight, ...] = ()

    @property
    def lanes(self) -> int:
        """Multiply-accumulates per PE and cycle."""
        return 1 if self.configuration is None else self.configuration.lanes

    @property
    def clock_standing(self) -> ClockStanding:
        """What supports the clock of all latencies."""
        return ClockStanding.ASSUMED if self.board is None else self.board.clock_standing

    @property
    def winograd(self) -> str:
        """The transforms of the hardware, as ``OverlayConfig`` names them; empty if not ours."""
        return "" if self.configuration is None else self.configuration.winograd

    @property
    def choices(self) -> LayerMapping | None:
        """The mapping as ``compile`` takes it; None if the labels are not the compiler's."""
        if not isinstance(self.model, OverlayModel):
            return None
        return compiler_choices(self.model, self.mapping, self.arrangement, self.passes)

    @property
    def waterfall_by_layer(self) -> Mapping[str, Parts]:
        """Where the cycles of one image go, exact; empty before the network is compiled."""
        if self.execution is None or self.configuration is None:
            return {}
        return waterfall_by_layer(self.execution.programs, self.execution.turns, self.configuration)

    def compiled(
        self, network: Network, batch: int = 1, told: Sequence[int] | None = None
    ) -> Exploration:
        """The same with the program, its exact cycles, and tensor memory for its activations.

        ``batch``: images of a run; up to so many are told in ``flights``, those of ``sizes`` or
        those ``told``.  Where the board has no room for that memory, images do not take turns, or
        some activations move to DRAM.
        """
        if self.configuration is None:
            raise InputError(f"model {self.mapping.model!r} has no overlay to compile for")
        config = self.configuration
        for images in (batch, 1):
            ample, _ = with_tensors(network, self.configuration, self.choices, images)
            if self.board is None or self.board.fits(ample):
                config = ample
                break

        def execution(images: int) -> Execution:
            programs = compile_segments(network, config, self.choices, images)
            return Execution.of(programs, config)

        found = {images: execution(images) for images in told or sizes(batch)}
        flights = tuple(self._flight(images, one.cycles.total) for images, one in found.items())
        return replace(self, configuration=config, execution=found[min(found)], flights=flights)

    def _flight(self, images: int, cycles: int) -> Flight:
        mapping = self.mapping
        return Flight(
            overlays=self.overlays,
            images=images,
            array=f"{mapping.rows}x{mapping.columns}",
            lanes=self.lanes,
            dsp=mapping.dsp,
            cycles=cycles,
            clock_hz=mapping.clock_hz,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        mapping = self.mapping
        config = self.configuration
        return {
            "version": EXPLORATION_VERSION,
            "network": mapping.network,
            "segments": 1 + max(self.network.arrivals.values(), default=0),
            "board": None if self.board is None else self.board.name,
            "bare": None if self.board is None else not self.board.source,
            "model": mapping.model,
            "objective": self.objective.value,
            "array": f"{mapping.rows}x{mapping.columns}",
            "lanes": self.lanes,
            "winograd": self.winograd,
            "configuration": None if config is None else config.to_json(),
            "dsp": mapping.dsp,
            "cycles": mapping.cycles,
            "compute_cycles": mapping.compute,
            "transfer_cycles": mapping.transfer,
            "clock_hz": mapping.clock_hz,
            "clock_standing": self.clock_standing.value,
            "latency_ms": mapping.latency_ms,
            "utilisation": mapping.utilisation,
            "mapping_seconds": mapping.seconds,
            "explore_seconds": self.seconds,
            "certified_gap": self.certified_gap,
            "decision": None if self.decision is None else self.decision.to_json(),
            "exact": self._exact_json(),
            "overlays": self.overlays,
            "in_flight": [flight.to_json() for flight in self.flights],
            "in_flight_pareto": [flight.to_json() for flight in unbeaten(self.flights)],
            "merged": [list(group) for group in self.arrangement.groups],
            "apart": list(self.arrangement.apart),
            "layers": [_layer_json(layer) for layer in mapping.layers],
            "pareto": [_point_json(point) for point in self.pareto],
        }

    def save(self, folder: str | Path) -> None:
        """Writes mapping, configuration, and everything."""
        with writing(folder) as files:
            self.write(files)

    def write(self, files: Writing) -> None:
        """The files, to be there together with others of a folder."""
        choices, config, mapping = self.choices, self.configuration, self.mapping
        chosen = _labels_json(mapping) if choices is None else choices.to_json()
        array = {"rows": mapping.rows, "columns": mapping.columns, "lanes": 1}
        parameters = array if config is None else config.to_json()
        files.json(MAPPING_FILE, {"version": MAPPING_VERSION, **chosen})
        files.json(CONFIGURATION_FILE, {"version": CONFIGURATION_VERSION, **parameters})
        files.json(RESULT_FILE, self.to_json())

    def _exact_json(self) -> dict[str, Any] | None:
        if self.execution is None:
            return None
        total = self.execution.cycles.total
        return {
            "cycles": total,
            "latency_ms": total / self.mapping.clock_hz * 1e3,
            "closed_form_difference": self.mapping.cycles / total - 1,
            "waterfall": waterfall(self.waterfall_by_layer),
            "waterfall_by_layer": self.waterfall_by_layer,
            "layers": self.execution.cycles.to_json()["layers"],
        }


def _layer_json(layer: LayerChoice) -> dict[str, Any]:
    return {
        "name": layer.name,
        "algorithm": layer.label.algorithm,
        "dataflow": layer.label.dataflow,
        "variant": layer.label.variant,
        "macs": layer.macs,
        "cycles": layer.compute + layer.transfer,
        "compute": layer.compute,
        "transfer": layer.transfer,
        "split": dict(layer.split),
        "utilisation": layer.utilisation,
        "alternative": None if layer.alternative is None else str(layer.alternative),
        "alternative_extra": layer.alternative_extra,
    }


def _point_json(point: ParetoPoint) -> dict[str, Any]:
    kind: dict[str, Any] = {}
    if isinstance(point.model, OverlayModel):
        template = point.model.template
        kind = {name: getattr(template, name) for name in ("lanes", "winograd")}
    array = f"{point.rows}x{point.columns}"
    return {"array": array, **kind, "dsp": point.dsp, "latency_ms": point.latency_ms}


def _labels_json(mapping: NetworkMapping) -> dict[str, Any]:
    """The choices of a model that is not the overlay's, in the same form."""
    layers = {
        layer.name: {"algorithm": layer.label.algorithm, "dataflow": layer.label.dataflow}
        for layer in mapping.layers
    }
    return {"layers": layers}
