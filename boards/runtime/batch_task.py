"""What a host runs: a compiled model on a batch of images, over any link."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boards.runtime.bundle import MODEL_FILE, Bundle
from boards.runtime.image_batch import load_images
from boards.runtime.link import Ended, Link
from boards.runtime.regions import Tensors
from boards.runtime.runtime import ImageRun, run_images
from dse.assembly.program import Program
from dse.network.inputs import Arrays, images, join, read_inputs
from dse.onnx.host import ImagePassage

Progress = Callable[[int, int], None]  # runs done, all runs


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a batch gave.

    Members
    -------
    outputs : by name, image axis first.
    cycles : of each image's runs, over all programs, by the overlay's own count; None if the link
        cannot read it.
    seconds : of each image, on card and link; of several in one run the share of each.
    """

    outputs: dict[str, np.ndarray]
    cycles: tuple[int, ...] | None
    seconds: tuple[float, ...]


class BatchTask(ABC):
    """A compiled folder and an ``.npz`` file of inputs, read and checked.

    Members
    -------
    programs : one after the other, each on the whole batch.
    """

    programs: tuple[Program, ...]

    @staticmethod
    def read(folder: Path, inputs: Path) -> BatchTask:
        """What lies in a folder, and inputs for it.

        Of a model: its own inputs, batch axis first.  Of a program alone: its network's, int8,
        [image, H, W, C].
        """
        if (folder / MODEL_FILE).exists():
            bundle = Bundle.load(folder)
            return _WholeModel(bundle, read_inputs(inputs, bundle.host.inputs))
        program = Program.load(folder)
        return _OneProgram(program, load_images(inputs, program.manifest.entries))

    @abstractmethod
    def run(self, link: Link[Ended], progress: Progress) -> Answers:
        """Runs it; HostError if a run does not end well."""


class _OneProgram(BatchTask):
    def __init__(self, program: Program, entries: list[Tensors]) -> None:
        self.programs = (program,)
        self._entries = entries

    def run(self, link: Link[Ended], progress: Progress) -> Answers:
        (program,) = self.programs
        runs = _told(link, program, self._entries, progress, 0, len(self._entries))
        names = runs[0].outputs
        outputs = {name: np.stack([run.outputs[name] for run in runs]) for name in names}
        return _answers(outputs, [[run] for run in runs])


class _WholeModel(BatchTask):
    """A model of any number of segments: card and host work in turns."""

    def __init__(self, bundle: Bundle, batch: Arrays) -> None:
        self.programs = bundle.programs
        self._bundle, self._batch = bundle, batch

    def run(self, link: Link[Ended], progress: Progress) -> Answers:
        passages = [ImagePassage(self._bundle.host, image) for image in images(self._batch)]
        whole = len(self.programs) * len(passages)
        made: list[list[ImageRun]] = [[] for _ in passages]
        for number, program in enumerate(self.programs):
            names = [place.name for place in program.manifest.entries]
            entries = [passage.entries(names) for passage in passages]
            done = number * len(passages)
            runs = _told(link, program, entries, progress, done, whole)
            for passage, own, run in zip(passages, made, runs, strict=True):
                passage.take(run.outputs)
                own.append(run)
        return _answers(join([passage.outputs() for passage in passages]), made)


def _told(
    link: Link[Ended],
    program: Program,
    entries: Sequence[Tensors],
    progress: Progress,
    done: int,
    whole: int,
) -> list[ImageRun]:
    """A program on all images, of which ``progress`` hears."""
    runs = []
    progress(done, whole)
    for run in run_images(link, program, entries):
        runs.append(run)
        progress(done + len(runs), whole)
    return runs


def _answers(outputs: dict[str, np.ndarray], made: Sequence[Sequence[ImageRun]]) -> Answers:
    """``made``: runs of each image."""
    cycles = [[run.cycles for run in runs] for runs in made]
    counted = [sum(c for c in counts if c is not None) for counts in cycles]
    known = all(count is not None for counts in cycles for count in counts)
    return Answers(
        outputs=outputs,
        cycles=tuple(counted) if known else None,
        seconds=tuple(sum(run.seconds for run in runs) for runs in made),
    )
