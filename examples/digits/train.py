"""Train the demo network on scikit-learn's handwritten digits and write it as float ONNX.

The network is a small Inception-style CNN: a 5x5 stem, two blocks of four branches (1x1, 3x3, 5x5,
pooled 1x1) joined by concatenation, three kinds of pooling and a fully connected layer.  The 8x8
images are doubled to 16x16.  The files it writes are committed; run it again only to change them:

    python3 -m venv /tmp/train && /tmp/train/bin/pip install torch==2.13.0 scikit-learn onnx
    /tmp/train/bin/python examples/digits/train.py

It writes, beside itself, ``digits.onnx`` (ONNX, any batch), ``test_images.npz`` (images held back
from the training and their ``labels``) and ``calibration.npz`` (images of the training split).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
SEED = 1
TEST_IMAGES, CALIBRATION_IMAGES = 300, 100
EPOCHS, BATCH = 60, 64
INPUT, OUTPUT = "image", "probability"


class Inception(nn.Module):
    """Four branches over one input: 1x1, 1x1-3x3, 1x1-5x5, pool-1x1; ReLU after each conv."""

    def __init__(
        self, cin: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
    ):
        super().__init__()
        self.one = nn.Conv2d(cin, one, 1)
        self.three_reduce = nn.Conv2d(cin, three[0], 1)
        self.three = nn.Conv2d(three[0], three[1], 3, padding=1)
        self.five_reduce = nn.Conv2d(cin, five[0], 1)
        self.five = nn.Conv2d(five[0], five[1], 5, padding=2)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.project = nn.Conv2d(cin, pool, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = (
            self.one(x),
            self.three(self.three_reduce(x).relu()),
            self.five(self.five_reduce(x).relu()),
            self.project(self.pool(x)),
        )
        return torch.cat(branches, 1).relu()


class Digits(nn.Module):
    """16x16 grey image to ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 5, padding=2)
        self.block1 = Inception(16, 8, (8, 16), (4, 8), 8)
        self.block2 = Inception(40, 16, (16, 32), (8, 16), 16)
        self.classify = nn.Linear(80 * 2 * 2, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.stem(x).relu(), 2)
        x = self.block1(x)
        x = nn.functional.max_pool2d(nn.functional.pad(x, (0, 1, 0, 1)), 3, stride=2)
        x = self.block2(x)
        x = nn.functional.avg_pool2d(x, 2)
        return self.classify(x.flatten(1))


class Writer:
    """Collects ONNX nodes and weights."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []

    def node(self, operator: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x: str, name: str) -> str:
        pad = self.weights[f"{name}.weight"].shape[2] // 2
        y = self.node("Conv", [x, f"{name}.weight", f"{name}.bias"], f"{name}.conv", pads=[pad] * 4)
        return self.node("Relu", [y], name)

    def inception(self, x: str, name: str) -> str:
        pooled = self.node(
            "MaxPool", [x], f"{name}.pool", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4
        )
        branches = [
            self.conv(x, f"{name}.one"),
            self.conv(self.conv(x, f"{name}.three_reduce"), f"{name}.three"),
            self.conv(self.conv(x, f"{name}.five_reduce"), f"{name}.five"),
            self.conv(pooled, f"{name}.project"),
        ]
        return self.node("Concat", branches, name, axis=1)


def to_onnx(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The trained network as an ONNX model with embedded weights and a Softmax at the end."""
    w = Writer(weights)
    x = w.conv(INPUT, "stem")
    x = w.node("MaxPool", [x], "pool1", kernel_shape=[2, 2], strides=[2, 2])
    x = w.inception(x, "block1")
    x = w.node("MaxPool", [x], "pool2", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    x = w.inception(x, "block2")
    x = w.node("AveragePool", [x], "pool3", kernel_shape=[2, 2], strides=[2, 2])
    x = w.node("Flatten", [x], "flatten", axis=1)
    x = w.node("Gemm", [x, "classify.weight", "classify.bias"], "classify", transB=1)
    w.node("Softmax", [x], OUTPUT, axis=1)
    graph = helper.make_graph(
        w.nodes,
        "digits",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 1, 16, 16])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model


def shifted(images: torch.Tensor) -> torch.Tensor:
    """The images, each moved by up to one pixel of the original 8x8 grid."""
    padded = nn.functional.pad(images, (2, 2, 2, 2))
    y, x = torch.randint(0, 5, (2, len(images)))
    return torch.stack([p[:, j : j + 16, i : i + 16] for p, j, i in zip(padded, y, x, strict=True)])


def train(images: torch.Tensor, labels: torch.Tensor) -> Digits:
    """Adam with a one-cycle learning rate; the same weights on every run."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    network = Digits()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for batch in order[: len(order) // BATCH * BATCH].split(BATCH):
            loss = nn.functional.cross_entropy(network(shifted(images[batch])), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def main() -> None:
    digits = load_digits()
    images = (digits.images.repeat(2, 1).repeat(2, 2) / 16).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=TEST_IMAGES, random_state=SEED, stratify=labels
    )
    network = train(torch.from_numpy(train_x), torch.from_numpy(train_y))
    with torch.no_grad():
        hits = network(torch.from_numpy(test_x)).argmax(1).numpy() == test_y
    print(f"held-back accuracy {hits.mean():.4f} on {len(hits)} images")
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    onnx.save(to_onnx(weights), HERE / "digits.onnx")
    np.savez_compressed(HERE / "test_images.npz", **{INPUT: test_x, "labels": test_y})
    np.savez_compressed(HERE / "calibration.npz", **{INPUT: train_x[:CALIBRATION_IMAGES]})


if __name__ == "__main__":
    main()
