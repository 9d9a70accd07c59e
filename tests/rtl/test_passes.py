"""Graph passes in RTL: every tensor of the original network equals the golden model's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.network.graph import Network, NetworkError, Window
from dse.onnx import importer
from dse.passes import merged_name, siblings, space_to_depth
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL
from sim.simulation import simulate
from tests.kit.qdq import qdq_model
from tests.rtl.overlays import OVERLAYS, Case, check, swept
from tests.sim.test_functional import Builder

pytestmark = pytest.mark.rtl


SAME = Window((3, 3), padding=(1, 1, 1, 1))


@dataclass(frozen=True)
class Mapped(Case):
    """A case with a mapping of its own."""

    mapping: LayerMapping = field(default_factory=LayerMapping)

    def compile(self, config: OverlayConfig) -> Program:
        return compile_network(self.network, config, self.mapping)


def inception() -> Network:
    """A strided 5 x 5, and a module of two reduced branches, a direct one and a pooled one."""
    b = Builder(np.random.default_rng(6))
    x = b.conv(b.input(12, 16, 3), 6, Window((5, 5), (2, 2), padding=(2, 2, 2, 2)))
    direct, left, right = (b.conv(x, n, Window()) for n in (4, 3, 2))
    joined = [direct, b.conv(left, 5, SAME), b.conv(right, 3, SAME), b.pool(x, "max", SAME)]
    for name in joined:
        quantisation = b.tensors[joined[-1]].quantisation
        b.tensors[name] = replace(b.tensors[name], quantisation=quantisation)
    return b.build(b.conv(b.conv(b.concat(*joined), 4, SAME), 5, Window()))


def mappings() -> list[LayerMapping]:
    """Each pass by itself, then all together."""
    (group,) = siblings(inception())
    assert len(group) == 3
    merged = merged_name(group)
    folds = {"conv0": Choice(fold=4), "conv8": Choice(fold=2), "conv9": Choice(fold=8)}
    return [
        LayerMapping(folds),
        LayerMapping(space_to_depth=True),
        LayerMapping(merge=(group,)),
        LayerMapping(concat_in_place=False),
        LayerMapping(folds | {"conv4": Choice(fold=2)}, (), ("conv4", "conv1")),
        LayerMapping(merge=(group,), apart=group),
        *(
            LayerMapping(
                {name: replace(one, dataflow=flow) for name, one in folds.items()}
                | {merged: Choice(flow)},
                (group,),
                space_to_depth=True,
            )
            for flow in Dataflow
        ),
    ]


@pytest.mark.parametrize("name", swept(["winograd2", "5x3", "strips"]))
def test_passes(name: str) -> None:
    network = inception()
    timing = DDR if name == "strips" else IDEAL
    cases = [Mapped(network, timing=timing, images=2, mapping=one) for one in mappings()]
    *_, last = check(name, *cases)
    assert len(last.manifest.layers) == len(network.operators) - 1 - 2


@pytest.mark.parametrize("name", swept(["winograd2", "5x3"]))
def test_poolings_before_concatenation(name: str) -> None:
    """Each part is pooled behind its own convolution; the concatenation is never made."""
    b = Builder(np.random.default_rng(8))
    x = b.input(9, 8, 3)
    parts = [b.conv(x, n, SAME) for n in (5, 3, 2)]
    for part in parts:
        b.tensors[part] = replace(b.tensors[part], quantisation=b.tensors[parts[0]].quantisation)
    half = Window((3, 3), (2, 2))
    network = b.build(b.conv(b.pool(b.concat(*parts), "max", half), 4, SAME))
    mappings = [LayerMapping(pool_parts=on) for on in (False, True)]
    cases = [Mapped(network, timing=IDEAL, images=2, mapping=one) for one in mappings]
    plain, split = check(name, *cases)
    assert len(split.manifest.layers) == len(plain.manifest.layers) + 2


def test_models_answer_the_same(tmp_path: Path) -> None:
    """From ONNX and back: the passes change neither outputs nor what is compared."""
    onnx.save(qdq_model(inception()), tmp_path / "model.onnx")
    model = importer.load(tmp_path / "model.onnx")
    network = model.network
    first, *_, last = (conv.name for conv in network.convolutions())
    groups = siblings(network)
    assert [len(group) for group in groups] == [3]
    choices = {first: Choice(fold=2), last: Choice(fold=4)}
    mapping = LayerMapping(choices, groups, space_to_depth=True)
    shape = (2, 3, *network.tensors[network.inputs[0]].shape[:2])
    images = {
        port.name: np.random.default_rng(1).integers(-128, 128, shape, np.int8)
        for port in model.host.inputs
    }
    plain, changed = (
        simulate(model, images, OVERLAYS["winograd2"], mapping=one) for one in (None, mapping)
    )
    assert plain.mismatches == changed.mismatches == 0
    assert plain.macs == changed.macs == sum(layer.macs for layer in changed.layers)
    for name, values in plain.outputs.items():
        np.testing.assert_array_equal(values, changed.outputs[name])
    written = {name for name in network.producers if name != network.outputs[0]}
    assert written <= {*changed.compared_tensors}


def test_passes_come_after_export() -> None:
    with pytest.raises(NetworkError, match="export the network before graph passes"):
        qdq_model(space_to_depth(inception()))
