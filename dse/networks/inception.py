"""The two benchmark networks that no weightless ONNX export describes faithfully.

GoogLeNet: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1: 57 convolutions,
1.5816 GMAC.  (The export in the onnx package rounds its poolings down, so that its maps are 55, 27,
13 and 6 pixels wide, not 56, 28, 14 and 7: 1.4305 GMAC.)
Inception-v4: Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning", 2016, figures 3 to 9: 149 convolutions, 12.2524 GMAC.
"""

from __future__ import annotations

from dse.network.graph import Gain, Network, Normalisation
from dse.networks.builder import OutlineBuilder

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection: channels, table 1 of the paper.
_GOOGLENET = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

_RESPONSE = Normalisation(2, Gain(1e-4 / 5, 0.75, 1.0))  # of five channels


def googlenet(*, normalised: bool = False) -> Network:
    """GoogLeNet (Inception-v1) at 224 x 224, without the auxiliary classifiers.

    ``normalised``: as published, with responses normalised across channels.
    """
    net = OutlineBuilder("googlenet", (224, 224, 3))
    x = net.conv("input", "conv1/7x7_s2", 64, 7, stride=2)
    x = net.pool(x, "pool1", 3, stride=2)
    if normalised:
        x = net.pool(x, "norm1", 1, normalisation=_RESPONSE)
    x = net.conv(x, "conv2/3x3_reduce", 64, 1)
    x = net.conv(x, "conv2/3x3", 192, 3)
    x = net.pool(x, "pool2", 3, stride=2, normalisation=_RESPONSE if normalised else None)
    for name, channels in _GOOGLENET.items():
        if name in ("4a", "5a"):
            x = net.pool(x, f"pool{int(name[0]) - 1}", 3, stride=2)
        x = _inception_v1(net, x, f"inception_{name}", channels)
    x = net.global_average(x, "pool5")
    net.dense(x, "loss3/classifier", 1000)
    return net.build()


def _inception_v1(net: OutlineBuilder, x: str, name: str, channels: tuple[int, ...]) -> str:
    n1, r3, n3, r5, n5, proj = channels
    return net.concat(
        f"{name}/output",
        net.conv(x, f"{name}/1x1", n1, 1),
        net.conv(net.conv(x, f"{name}/3x3_reduce", r3, 1), f"{name}/3x3", n3, 3),
        net.conv(net.conv(x, f"{name}/5x5_reduce", r5, 1), f"{name}/5x5", n5, 5),
        net.conv(net.pool(x, f"{name}/pool", 3), f"{name}/pool_proj", proj, 1),
    )


def inception_v4() -> Network:
    """Inception-v4 at 299 x 299."""
    net = OutlineBuilder("inception-v4", (299, 299, 3))
    x = _stem(net)
    for i in range(4):
        x = _inception_a(net, x, f"a{i + 1}")
    x = _reduction_a(net, x)
    for i in range(7):
        x = _inception_b(net, x, f"b{i + 1}")
    x = _reduction_b(net, x)
    for i in range(3):
        x = _inception_c(net, x, f"c{i + 1}")
    x = net.global_average(x, "pool")
    net.dense(x, "classifier", 1000)
    return net.build()


Kernel = int | tuple[int, int]


def _chain(net: OutlineBuilder, x: str, prefix: str, *layers: tuple[Kernel, int]) -> str:
    for i, (kernel, cout) in enumerate(layers):
        ky, kx = (kernel, kernel) if isinstance(kernel, int) else kernel
        x = net.conv(x, f"{prefix}/{i + 1}_{ky}x{kx}", cout, kernel)
    return x


def _stem(net: OutlineBuilder) -> str:
    x = net.conv("input", "stem/1_3x3_s2", 32, 3, stride=2, padding="valid")
    x = net.conv(x, "stem/2_3x3", 32, 3, padding="valid")
    x = net.conv(x, "stem/3_3x3", 64, 3)
    pool = net.pool(x, "stem/pool1", 3, stride=2, padding="valid")
    conv = net.conv(x, "stem/4_3x3_s2", 96, 3, stride=2, padding="valid")
    x = net.concat("stem/concat1", pool, conv)
    left = _chain(net, x, "stem/left", (1, 64))
    left = net.conv(left, "stem/left/2_3x3", 96, 3, padding="valid")
    right = _chain(net, x, "stem/right", (1, 64), ((7, 1), 64), ((1, 7), 64))
    right = net.conv(right, "stem/right/4_3x3", 96, 3, padding="valid")
    x = net.concat("stem/concat2", left, right)
    conv = net.conv(x, "stem/5_3x3_s2", 192, 3, stride=2, padding="valid")
    pool = net.pool(x, "stem/pool2", 3, stride=2, padding="valid")
    return net.concat("stem/concat3", conv, pool)


def _inception_a(net: OutlineBuilder, x: str, name: str) -> str:
    pool = net.pool(x, f"{name}/pool", 3, kind="average")
    return net.concat(
        f"{name}/concat",
        _chain(net, pool, f"{name}/pool_proj", (1, 96)),
        _chain(net, x, f"{name}/single", (1, 96)),
        _chain(net, x, f"{name}/double", (1, 64), (3, 96)),
        _chain(net, x, f"{name}/triple", (1, 64), (3, 96), (3, 96)),
    )


def _reduction_a(net: OutlineBuilder, x: str) -> str:
    triple = _chain(net, x, "ra/triple", (1, 192), (3, 224))
    return net.concat(
        "ra/concat",
        net.pool(x, "ra/pool", 3, stride=2, padding="valid"),
        net.conv(x, "ra/3x3_s2", 384, 3, stride=2, padding="valid"),
        net.conv(triple, "ra/triple/3_3x3_s2", 256, 3, stride=2, padding="valid"),
    )


def _inception_b(net: OutlineBuilder, x: str, name: str) -> str:
    row, col = (1, 7), (7, 1)
    pool = net.pool(x, f"{name}/pool", 3, kind="average")
    long = ((1, 192), (row, 192), (col, 224), (row, 224), (col, 256))
    return net.concat(
        f"{name}/concat",
        _chain(net, pool, f"{name}/pool_proj", (1, 128)),
        _chain(net, x, f"{name}/single", (1, 384)),
        _chain(net, x, f"{name}/triple", (1, 192), (row, 224), (col, 256)),
        _chain(net, x, f"{name}/quintuple", *long),
    )


def _reduction_b(net: OutlineBuilder, x: str) -> str:
    double = _chain(net, x, "rb/double", (1, 192))
    long = _chain(net, x, "rb/quadruple", (1, 256), ((1, 7), 256), ((7, 1), 320))
    return net.concat(
        "rb/concat",
        net.pool(x, "rb/pool", 3, stride=2, padding="valid"),
        net.conv(double, "rb/double/2_3x3_s2", 192, 3, stride=2, padding="valid"),
        net.conv(long, "rb/quadruple/4_3x3_s2", 320, 3, stride=2, padding="valid"),
    )


def _inception_c(net: OutlineBuilder, x: str, name: str) -> str:
    row, col = (1, 3), (3, 1)
    pool = net.pool(x, f"{name}/pool", 3, kind="average")
    split = _chain(net, x, f"{name}/split", (1, 384))
    deep = _chain(net, x, f"{name}/deep", (1, 384), (row, 448), (col, 512))
    return net.concat(
        f"{name}/concat",
        _chain(net, pool, f"{name}/pool_proj", (1, 256)),
        _chain(net, x, f"{name}/single", (1, 256)),
        _chain(net, split, f"{name}/split/row", (row, 256)),
        _chain(net, split, f"{name}/split/col", (col, 256)),
        _chain(net, deep, f"{name}/deep/row", (row, 256)),
        _chain(net, deep, f"{name}/deep/col", (col, 256)),
    )
