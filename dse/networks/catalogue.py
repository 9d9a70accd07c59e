"""The benchmark networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dse.network.graph import Network, NetworkError
from dse.networks.inception import googlenet, inception_v4
from dse.networks.weightless import light

BENCHMARKS: dict[str, Callable[[], Network]] = {
    "alexnet": partial(light, "bvlc_alexnet"),
    "googlenet": googlenet,
    "googlenet-lrn": partial(googlenet, normalised=True),
    "inception-v2": partial(light, "inception_v2"),
    "inception-v4": inception_v4,
    "resnet-50": partial(light, "resnet50"),
    "squeezenet": partial(light, "squeezenet"),
    "vgg-19": partial(light, "vgg19"),
}


def benchmark(name: str) -> Network:
    """The outline of a benchmark network; fully connected layers included."""
    if name not in BENCHMARKS:
        raise NetworkError(f"no benchmark named {name!r}; known: {', '.join(sorted(BENCHMARKS))}")
    return replace(BENCHMARKS[name](), name=name)
