"""Networks whose convolutions and maxima apply activation tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.network.graph import ActivationTable, Conv, Network, Operator, Pool, Quantisation


def random_table(quantisation: Quantisation, rng: np.random.Generator) -> ActivationTable:
    """All 256 values, in any order."""
    return ActivationTable.of(quantisation, rng.permutation(np.arange(-128, 128)))


def with_tables(network: Network, rng: np.random.Generator, share: float = 1.0) -> Network:
    """The network with a table behind so many of the operators that can have one."""

    def given(op: Operator) -> Operator:
        if rng.random() >= share:
            return op
        if isinstance(op, Conv) and not network.tensors[op.output].parts:
            known = network.tensors[op.output].quantisation
            return replace(op, table=random_table(known, rng))
        if isinstance(op, Pool) and op.kind == "max" and op.normalisation is None:
            known = network.tensors[op.input].quantisation
            return replace(op, table=random_table(known, rng))
        return op

    return replace(network, operators=tuple(given(op) for op in network.operators))
