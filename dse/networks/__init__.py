"""Workloads: the shapes and edges of CNNs, for design-space exploration."""

from dse.networks.catalogue import BENCHMARKS, benchmark
from dse.networks.from_network import from_network
from dse.networks.from_onnx import from_onnx, light
from dse.networks.workload import Convolution, ConvShape, Workload, WorkloadError

__all__ = [
    "BENCHMARKS",
    "ConvShape",
    "Convolution",
    "Workload",
    "WorkloadError",
    "benchmark",
    "from_network",
    "from_onnx",
    "light",
]
