"""Small chains of layers, and the designs that the search finds for them."""

from __future__ import annotations

import numpy as np
import pytest

from dse.pipeline import (
    Budget,
    Chain,
    ConvStage,
    Design,
    SearchError,
    StagePool,
    cost_model,
    exact,
    load_device,
    search_exact,
)
from hw.stages.scheme import Scheme

PLANS = ((), (Scheme.MAP,), (Scheme.BAND,), (Scheme.LINE, Scheme.MAP), (Scheme.BAND, Scheme.MAP))
"""What the first and the second half of a chain keep; nothing: as the search likes it."""
CYCLES = 500
"""The longest period."""
FEW_CYCLES = 150
"""That of the quick tests."""


def draw_design(rng: np.random.Generator, cycles: int = CYCLES) -> Design:
    """A design for some multipliers, with stages of all schemes, of no longer a period."""
    device = load_device("kcu1500")
    while True:
        network, kept = _draw_chain(rng), PLANS[rng.integers(len(PLANS))]
        bits = int(rng.choice([8, 16]))
        model = cost_model(device, bits=bits, per_dsp=int(rng.integers(1, 3)) if bits == 8 else 1)
        budget = Budget(dsp=int(rng.choice([6, 12, 24, 48])), ram=10_000)
        with pytest.MonkeyPatch.context() as patch:
            if kept:
                half = len(network.stages) // 2
                plan = (kept[0],) * half + (kept[-1],) * (len(network.stages) - half)
                patch.setattr(exact, "plans", lambda _, plan=plan: [plan])
            try:
                design = search_exact(network, device, model, budget).design
            except SearchError:  # too few multipliers
                continue
        if design.cycles <= cycles:
            return design


def _draw_chain(rng: np.random.Generator) -> Chain:
    size, channels = int(rng.integers(4, 17)), int(rng.integers(1, 5))
    stages = []
    for number in range(int(rng.integers(1, 4))):
        kernel = min(int(rng.choice([1, 2, 3, 3, 5])), size)
        pad, stride = int(rng.integers(0, kernel // 2 + 1)), int(rng.choice([1, 1, 1, 2]))
        groups = 2 if channels % 2 == 0 and rng.random() < 0.25 else 1
        size_out = (size + 2 * pad - kernel) // stride + 1
        pool = _draw_pool(rng, size_out) if rng.random() < 0.35 and size_out > 1 else None
        stage = ConvStage(
            name=f"L{number}",
            n_in=channels // groups,
            n_out=groups * int(rng.integers(1, 7)),
            size_in=size,
            size_out=size_out,
            kernel=kernel,
            stride=stride,
            pad=pad,
            groups=groups,
            pool=pool,
        )
        stages.append(stage)
        size, channels = pool.size_out if pool else size_out, stage.n_out
    return Chain(name="drawn", stages=tuple(stages))


def _draw_pool(rng: np.random.Generator, size: int) -> StagePool:
    kernel = int(rng.integers(2, min(size, 3) + 1))
    stride = int(rng.integers(kernel - 1, 3))  # results come evenly, but for less than two rows
    pad = int(rng.integers(0, 2))
    whole = size + 2 * pad - kernel
    size_out = whole // stride + 1
    if rng.random() < 0.3:  # the last window reaches beyond the map, but begins in it
        size_out = min(-(-whole // stride) + 1, (size - 1 + pad) // stride + 1)
    return StagePool(name="pool", kernel=kernel, stride=stride, size_out=size_out, pad=pad)
