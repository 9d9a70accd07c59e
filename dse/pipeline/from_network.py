"""The chain of stages that a network begins with, and what they compute with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse.network import constants
from dse.network.graph import Conv, Network, Operator, Pool, Window
from dse.network.tensor import Shape
from dse.pipeline.model.layer import Chain, ConvStage, StagePool
from dse.pipeline.model.search_error import ChainError
from dse.pipeline.stage_numbers import StageNumbers


@dataclass(frozen=True, kw_only=True)
class LeadingChain:
    """Stages of a network.

    Parameters
    ----------
    chain : the stages.
    last : the tensor that the last one makes.
    ends_before : the first operator that is no stage, with the reason; None if there is none.
    """

    chain: Chain
    last: str
    ends_before: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberedChain(LeadingChain):
    """The same with ``numbers``: what each stage computes with."""

    numbers: tuple[StageNumbers, ...]


def chain_of(network: Network) -> NumberedChain:
    """The leading chain of a quantised network, with its numbers; errors as `leading_chain`."""
    found = leading_chain(network)
    named = {op.name: op for op in network.operators if isinstance(op, Conv)}
    return NumberedChain(
        chain=found.chain,
        last=found.last,
        ends_before=found.ends_before,
        numbers=tuple(_numbers(network, named[stage.name]) for stage in found.chain.stages),
    )


def leading_chain(network: Network) -> LeadingChain:
    """The convolutions, each with the maximum behind it, up to the first operator that is neither.

    Of an outline, whose numbers can refuse nothing, the chain may be longer.

    Raises
    ------
    ChainError
        When the network does not begin with a convolution that a stage can be.
    """
    stages: list[ConvStage] = []
    here = network.inputs[0]
    ends_before = None
    for operator in network.operators:
        reason = _refusal(network, operator, here, stages)
        if reason is not None:
            ends_before = f"{operator.name}: {reason}"
            break
        if isinstance(operator, Conv):
            stages.append(_conv(network, operator))
        elif isinstance(operator, Pool):
            stages[-1] = replace(stages[-1], pool=_pool(network, operator))
        here = operator.output
    if not stages:
        raise ChainError(
            f"network {network.name}: no stage to begin with; {ends_before or 'it is empty'}; "
            "give a model whose first layer is a plain convolution of a square map"
        )
    return LeadingChain(
        chain=Chain(name=network.name, stages=tuple(stages)), last=here, ends_before=ends_before
    )


def _refusal(
    network: Network, operator: Operator, here: str, stages: list[ConvStage]
) -> str | None:
    """Why an operator is no stage, or no part of one."""
    if operator.inputs != (here,) or sum(here in o.inputs for o in network.operators) > 1:
        return "does not follow the layer before alone"
    if not isinstance(operator, Conv | Pool):
        return f"a {type(operator).__name__} is no stage"
    if operator.table is not None:
        return "its activation is a table"
    window = operator.window
    shapes = [network.tensors[name].shape for name in (here, operator.output)]
    if uneven := _uneven(window, *shapes):
        return uneven
    if network.tensors[operator.output].parts:
        return "ranges of its channels have scales of their own"
    if isinstance(operator, Conv):
        known = operator.numbers
        if known and not (isinstance(known.low, int) and isinstance(known.high, int)):
            return "channels have bounds of their own"
        if len(set(window.padding)) > 1 or window.padding[0] >= window.kernel[0]:
            return "its padding is not the same on all sides"
        if window.output(*shapes[0][:2]) != shapes[1][:2]:
            return "its last window reaches beyond the padding"
        return None
    if not stages or stages[-1].pool is not None:
        return "a pooling must follow a convolution"
    if operator.kind != "max":
        return "an average is no part of a stage"
    if window.padding[0] != window.padding[1] or window.padding[0] >= window.kernel[0]:
        return "its padding is not the same on both sides"
    given, made = (network.tensors[name] for name in (here, operator.output))
    if given.quantisation != made.quantisation:
        return "it changes the scale"
    if (operator.low, operator.high) != (-128, 127):
        return "it cuts values off"
    return None


def _uneven(window: Window, given: Shape, made: Shape) -> str | None:
    """Why rows and columns are not alike, or pixels of the window no neighbours."""
    if given[0] != given[1]:
        return f"its map of {given[0]} x {given[1]} is not square"
    if len(set(window.kernel)) > 1:
        return f"its window of {window.kernel[0]} x {window.kernel[1]} is not square"
    if len(set(window.stride)) > 1:
        return f"its strides of {window.stride[0]} and {window.stride[1]} are not the same"
    if set(window.dilation) != {1}:
        return "its window is dilated"
    if made[0] != made[1]:
        return f"its result of {made[0]} x {made[1]} is not square"
    return None


def _conv(network: Network, conv: Conv) -> ConvStage:
    given, made = network.tensors[conv.input], network.tensors[conv.output]
    return ConvStage(
        name=conv.name,
        n_in=given.channels // conv.groups,
        n_out=made.channels,
        size_in=given.height,
        size_out=made.height,
        kernel=conv.window.kernel[0],
        stride=conv.window.stride[0],
        pad=conv.window.padding[0],
        groups=conv.groups,
    )


def _numbers(network: Network, conv: Conv) -> StageNumbers:
    mantissa, shift = constants.conv_constants(network, conv)
    return StageNumbers(
        weights=conv.weight.astype(np.int64),
        bias=conv.bias.astype(np.int64),
        mantissa=mantissa,
        shift=shift,
        zero_in=network.tensors[conv.input].zero_point,
        zero_out=network.tensors[conv.output].zero_point,
        low=int(np.max(conv.low)),
        high=int(np.min(conv.high)),
    )


def _pool(network: Network, pool: Pool) -> StagePool:
    return StagePool(
        name=pool.name,
        kernel=pool.window.kernel[0],
        stride=pool.window.stride[0],
        size_out=network.tensors[pool.output].height,
        pad=pool.window.padding[0],
    )
