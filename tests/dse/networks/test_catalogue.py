"""The benchmark networks: counts and multiply-accumulates, and the builders against exports."""

import pytest

from dse.network.graph import Add, Concat, NetworkError, Pool
from dse.network.prune import without_dense
from dse.networks.catalogue import BENCHMARKS, benchmark
from dse.networks.weightless import light
from dse.passes import layer_shapes

# name -> layers, MAC, of which convolutions, MAC
EXPECTED = {
    "alexnet": (8, 654_560_384, 5, 595_938_432),
    "googlenet": (58, 1_582_671_872, 57, 1_581_647_872),
    "googlenet-lrn": (58, 1_582_671_872, 57, 1_581_647_872),
    "inception-v2": (70, 2_018_851_840, 69, 2_017_827_840),
    "inception-v4": (150, 12_253_974_624, 149, 12_252_438_624),
    "resnet-50": (54, 4_089_184_256, 53, 4_087_136_256),
    "squeezenet": (26, 349_151_936, 26, 349_151_936),
    "vgg-19": (19, 19_632_062_464, 16, 19_508_428_800),
}


def test_every_benchmark_is_expected() -> None:
    assert EXPECTED.keys() == BENCHMARKS.keys()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_layers_and_macs(name: str) -> None:
    network = benchmark(name)
    convolutional = without_dense(network)
    assert network.name == name
    assert EXPECTED[name] == (
        len([*network.convolutions()]),
        network.macs(),
        len([*convolutional.convolutions()]),
        convolutional.macs(),
    )


def test_googlenet_is_the_exported_network_with_poolings_rounded_up() -> None:
    built, exported = benchmark("googlenet"), light("inception_v1")

    def kinds(network, kind):
        found = [op for op in network.operators if isinstance(op, kind)]
        channels = [network.tensors[op.output].channels for op in found]
        return [(getattr(op, "kind", ""), n) for op, n in zip(found, channels, strict=True)]

    def layers(network):
        return sorted(
            (name, shape.cin, shape.cout, shape.kernel, shape.stride)
            for name, shape in layer_shapes(network).items()
        )

    assert layers(without_dense(built)) == layers(without_dense(exported))
    assert kinds(built, Concat | Add) == kinds(exported, Concat | Add)
    assert sorted(kinds(built, Pool)) == sorted(kinds(exported, Pool))
    assert built.tensors["inception_5b/output"].shape == (7, 7, 1024)
    assert without_dense(exported).macs() == 1_430_532_352  # its maps are 55, 27, 13, 6 wide


def test_inception_v4_maps_are_the_papers() -> None:
    node = benchmark("inception-v4").tensors
    assert node["stem/concat3"].shape == (35, 35, 384)
    assert node["ra/concat"].shape == (17, 17, 1024)
    assert node["rb/concat"].shape == (8, 8, 1536)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(NetworkError, match="no benchmark named 'lenet'; known: alexnet, "):
        benchmark("lenet")
    with pytest.raises(NetworkError, match=r"has no model 'light_lenet\.onnx'"):
        light("lenet")
