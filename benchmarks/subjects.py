"""Models as benchmarks take them: with weights, on one image, and what float makes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from dse.onnx import source
from dse.onnx.findings import Report
from dse.onnx.host import Subgraph
from dse.onnx.importer import Imported, load
from dse.onnx.randomise import randomise
from dse.onnx.reading import check
from dse.onnx.shaping import Shapes, shape

Arrays = Mapping[str, npt.NDArray]


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, quantised on the image that it will be run on.

    Members
    -------
    report : of ``check``.
    right : what onnxruntime makes of the image in float, without its optimiser.
    """

    name: str
    report: Report
    model: Imported
    image: Arrays
    right: Arrays

    @classmethod
    def of(
        cls, path: Path, shapes: Shapes | None = None, seed: int = 1, image: Arrays | None = None
    ) -> Subject:
        """Of an ONNX file: random weights where it has none, and noise where no image is given."""
        drawn = randomise(onnx.load(path), seed)
        shape(drawn, shapes or {}, str(path))
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            onnx.save(drawn, copy)
            ports = source.read(copy).inputs
            if image is None:
                image = {port.name: _noise(port.shape, port.dtype, seed) for port in ports}
            report, model = check(copy), load(copy, image)
        return cls(path.stem, report, model, image, Subgraph(drawn).run(image))

    def correlation(self, answer: Arrays) -> float:
        """Of all outputs with the float model's, the least."""
        return min(self._correlations(answer))

    def _correlations(self, answer: Arrays) -> Iterator[float]:
        for name in self.model.host.outputs:
            ours, theirs = (found[name].astype(float).ravel() for found in (answer, self.right))
            constant = not (np.ptp(ours) and np.ptp(theirs))
            yield float(np.allclose(ours, theirs)) if constant else np.corrcoef(ours, theirs)[0, 1]


def own_shapes(path: Path, shapes: Shapes) -> Shapes:
    """Those of the shapes that are of a model's own inputs."""
    names = {port.name for port in onnx.load(path, load_external_data=False).graph.input}
    return {name: extents for name, extents in shapes.items() if name in names}


def _noise(shape: Sequence[int], dtype: np.dtype, seed: int) -> npt.NDArray:
    rng = np.random.default_rng(seed)
    if dtype.kind in "iu":
        return rng.integers(0, 256, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)
