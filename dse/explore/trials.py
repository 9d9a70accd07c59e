"""The exact model decides: the closed form's best few mappings, and what they become together.

Each trial compiles the network and takes the exact cycles of its program.  First come mappings that
are optimal for other shares of the weights' prefetch (docs/cycles.md), and those of the next best
arrays.  Then, on the fastest array, the best stretches of all trials so far are put together, and
layers are given their next best label, one in each stretch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol

from dse.compile.segmented import compile_segments
from dse.cost.cost_model import Label
from dse.cost.overlay_model import OverlayModel
from dse.cycles.whole_program import ProgramCycles, in_turn, program_cycles
from dse.explore.candidate import Candidate
from dse.explore.stretches import Stretches, durations, stretches
from dse.mapping import Executor, ParetoPoint
from dse.mapping.optimise import chosen_mapping
from dse.network.batches import together
from dse.network.graph import Network
from dse.network.numbers import with_random_numbers
from dse.passes import Arrangement, PassError, Passes, apply
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig
from hw.isa.errors import PolymapError

SHARES = (1.0, 0.5)
"""Of the waits for weights that prefetch hides, beside the closed form's own."""
TRIALS = 6
"""Whole programs that the exact model runs, at most."""
LONGEST = 2_500_000
"""Cycles of all these programs together, at most: the exact model runs some 60,000 a second."""
AT_ONCE = 2
"""Trials of a round, when each depends on the rounds before."""


class Mapper(Protocol):
    """``dse.explore.candidate.mapped`` of a network."""

    def __call__(self, point: ParetoPoint, *, apart: bool = True) -> Candidate: ...


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate and its exact cycles."""

    candidate: Candidate
    cycles: ProgramCycles
    numbers: Stretches
    images: int

    @property
    def total(self) -> int:
        return self.cycles.total

    @cached_property
    def durations(self) -> dict[int, int]:
        """Cycles of each stretch."""
        numbers = together([self.numbers] * self.images, self.images)
        return durations(numbers, self.cycles.layers)

    def flips(self, number: int) -> list[tuple[str, Label]]:
        """Layers of a stretch with their next best label, the most promising first."""
        found = [
            (layer.alternative_extra, layer.name, layer.alternative)
            for layer in self.candidate.mapping.layers
            if layer.alternative is not None
            and layer.alternative_extra is not None
            and self.numbers[layer.name] == number
        ]
        return [(name, label) for _, name, label in sorted(found, key=lambda one: one[:2])]


@dataclass(frozen=True, eq=False)
class Decision:
    """What the trials chose.

    Members
    -------
    candidate : the fastest.
    cycles : its exact ones; ``first``: those of the closed form's best, None if it has no program.
    trials : how many mappings were tried.
    """

    candidate: Candidate
    cycles: int
    first: int | None
    trials: int

    def to_json(self) -> dict[str, int | None]:
        """Plain data, ready for ``json.dumps``."""
        return {"trials": self.trials, "closed_form_exact": self.first, "exact": self.cycles}


class Trials:
    """The exact cycles of a few mappings of a network.

    Parameters
    ----------
    network : the outline, before the passes.
    configure : a candidate's overlay.
    remap : the network on a design, whose model may have another share of prefetch.
    executor : runs the trials of a round.
    images : of a run.
    """

    def __init__(
        self,
        network: Network,
        passes: Passes,
        configure: Callable[[Candidate], OverlayConfig | None],
        remap: Mapper,
        executor: Executor,
        images: int = 1,
    ) -> None:
        self._network, self._passes, self._images = network, passes, images
        self._configure, self._remap, self._executor = configure, remap, executor
        self._unarranged = apply(network, passes, Arrangement())
        self._plain = stretches(self._unarranged)
        self._trials: list[Trial] = []
        self._seen: set[object] = set()

    def best(self, candidates: Sequence[Candidate]) -> Decision | None:
        """The fastest mapping; None if a program is too long for trials.

        ``candidates``: the closed form's best, the fastest first.
        """
        if not candidates:
            return None
        budget = int(LONGEST // max(1.0, self._images * candidates[0].mapping.cycles))
        count = min(TRIALS, budget)
        if count < AT_ONCE:
            return None
        first = self._new(self._shared(candidates))[: max(AT_ONCE, count // 2)]
        self._run(first)
        while self._trials and len(self._seen) < count:
            offers = self._new(self._combined())[: min(AT_ONCE, count - len(self._seen))]
            if not offers:
                break
            self._run(offers)
        if not self._trials:
            return None
        chosen, best = self._fastest, _key(candidates[0])
        starts = (trial.total for trial in self._trials if _key(trial.candidate) == best)
        return Decision(chosen.candidate, chosen.total, next(starts, None), len(self._trials))

    @property
    def _fastest(self) -> Trial:
        return min(self._trials, key=lambda trial: trial.total)

    def _shared(self, candidates: Sequence[Candidate]) -> Iterable[Candidate]:
        """The best design's mappings, also without copies and for each share, then the next
        designs'."""
        best, *others = candidates
        yield best
        if best.arrangement.apart:
            yield self._remap(best.point, apart=False)
        for share in SHARES:
            model = best.point.model
            assert isinstance(model, OverlayModel)
            found = self._remap(replace(best.point, model=replace(model, prefetched=share)))
            yield self._made(best, found.arrangement, found.mapping.choice)
        yield from others

    def _combined(self) -> Iterable[Candidate]:
        """The fastest stretches of the fastest design's trials together; then with flips."""
        fastest = self._fastest
        design = fastest.candidate.point.design
        own = [trial for trial in self._trials if trial.candidate.point.design == design]
        chosen = {number: _shortest(own, number) for number in fastest.durations}
        labels: dict[str, Label] = {}
        parts: list[Arrangement] = []
        flips: dict[int, list[tuple[str, Label]]] = {}
        for number, trial in chosen.items():
            labels |= {
                name: label
                for name, label in trial.candidate.mapping.choice.items()
                if trial.numbers[name] == number
            }
            own_part = trial.candidate.arrangement
            parts.append(
                Arrangement(
                    tuple(g for g in own_part.groups if self._plain[g[0]] == number),
                    tuple(name for name in own_part.apart if self._plain[name] == number),
                )
            )
            flips[number] = trial.flips(number)
        arrangement = Arrangement(
            tuple(group for part in parts for group in part.groups),
            tuple(name for part in parts for name in part.apart),
        )
        try:
            yield self._made(fastest.candidate, arrangement, labels)
            for turn in range(max(map(len, flips.values()), default=0)):
                flipped = dict(one[turn] for one in flips.values() if turn < len(one))
                yield self._made(fastest.candidate, arrangement, labels | flipped)
        except (PassError, KeyError, ValueError):  # stretches that cannot be laid out together
            return

    def _made(
        self, base: Candidate, arrangement: Arrangement, labels: dict[str, Label]
    ) -> Candidate:
        """The network on a candidate's design with this arrangement and labels."""
        point = base.point
        network = apply(self._network, self._passes, arrangement)
        mapping = chosen_mapping(network, point.model, point.rows, point.columns, labels)
        merged = replace(point, cycles=mapping.cycles, latency_ms=mapping.latency_ms)
        return Candidate(merged, arrangement, network, mapping)

    def _new(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those that no trial has had."""
        found: dict[object, Candidate] = {}
        for one in candidates:
            found.setdefault(_key(one), one)
            if len(found) > TRIALS + len(self._seen):
                break
        return [one for key, one in found.items() if key not in self._seen]

    def _run(self, candidates: Sequence[Candidate]) -> None:
        tasks = []
        for one in candidates:
            self._seen.add(_key(one))
            config, choices = self._configure(one), one.choices(self._passes)
            assert config is not None
            assert choices is not None
            tasks.append((config, choices, self._images))
        cycles = self._executor.map(partial(_cycles, self._network), tasks)
        for one, total in zip(candidates, cycles, strict=True):
            if total is not None:
                numbers = stretches(self._unarranged, one.arrangement.groups)
                self._trials.append(Trial(one, total, numbers, self._images))


def _shortest(trials: Sequence[Trial], number: int) -> Trial:
    """The trial in which a stretch takes the fewest cycles."""
    return min(trials, key=lambda trial: trial.durations[number])


def _key(candidate: Candidate) -> object:
    return (
        candidate.point.design,
        candidate.arrangement,
        tuple(sorted(candidate.mapping.choice.items(), key=lambda one: one[0])),
    )


def _cycles(
    network: Network, task: tuple[OverlayConfig, LayerMapping, int]
) -> ProgramCycles | None:
    """The exact cycles of an outline's program; None if it cannot be compiled so."""
    config, choices, images = task
    try:
        programs = compile_segments(with_random_numbers(network), config, choices, images)
    except PolymapError:
        return None
    return in_turn([program_cycles(program, config) for program in programs])
