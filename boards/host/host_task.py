"""What a host runs: a program on its inputs, or a model of several segments on the model's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boards.host.image_batch import load_images, save_batch, save_outputs
from boards.runtime.bundle import MODEL_FILE, Bundle
from boards.runtime.link import Ended, Link
from boards.runtime.regions import Tensors
from boards.runtime.runtime import run_images
from boards.runtime.turns import run_model
from dse.assembly.program import Program
from dse.network.inputs import Arrays, read_inputs


@dataclass(frozen=True)
class _OneProgram:
    program: Program
    images: list[Tensors]

    def run(self, link: Link[Ended], outputs: str) -> None:
        save_outputs(outputs, run_images(link, self.program, self.images))


@dataclass(frozen=True)
class _WholeModel:
    bundle: Bundle
    batch: Arrays

    def run(self, link: Link[Ended], outputs: str) -> None:
        save_batch(outputs, run_model(link, self.bundle, self.batch))


@dataclass(frozen=True)
class HostTask:
    """A compiled folder and an ``.npz`` file of inputs, read and checked."""

    task: _OneProgram | _WholeModel

    @classmethod
    def read(cls, folder: Path, inputs: str) -> HostTask:
        """What lies in a folder, and its inputs."""
        if (folder / MODEL_FILE).exists():
            bundle = Bundle.load(folder)
            return cls(_WholeModel(bundle, read_inputs(inputs, bundle.host.inputs)))
        program = Program.load(folder)
        return cls(_OneProgram(program, load_images(inputs, program.manifest.inputs)))

    def run(self, link: Link[Ended], outputs: str) -> None:
        """Run it on a card and write what it answers."""
        self.task.run(link, outputs)
