"""The proof of freedom from deadlock refuses every program that breaks a rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dse.assembly.instruction import Instruction
from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.compile.dependencies import verify_tokens
from dse.network.graph import Network
from hw.isa import Engine, Opcode
from hw.isa.config import OverlayConfig


@pytest.fixture
def program(network: Network, config: OverlayConfig) -> Program:
    return compile_network(network, config)


def changed(program: Program, number: int, **fields: int) -> list[Instruction]:
    instructions = list(program.instructions)
    one = instructions[number]
    instructions[number] = replace(one, fields={**one.fields, **fields})
    return instructions


def number(program: Program, opcode: Opcode, field: str = "opcode") -> int:
    """The first instruction of an opcode, with a field that is not zero."""
    return next(
        index
        for index, one in enumerate(program.instructions)
        if one.opcode is opcode and (field == "opcode" or one.field(field))
    )


def test_prefetch_runs_ahead(program: Program) -> None:
    opcodes = [one.opcode for one in program.instructions]
    assert opcodes[0] is Opcode.BEGIN
    assert opcodes[-1] is Opcode.END
    assert opcodes[: opcodes.index(Opcode.CONV)].count(Opcode.WEIGHTS) == 3


def test_post_without_wait(program: Program, config: OverlayConfig) -> None:
    instructions = changed(program, number(program, Opcode.POOL, "wait"), wait=0)
    with pytest.raises(ProgramError, match="tokens from LOAD to POOL are left over"):
        verify_tokens(instructions, config)


def test_wait_without_post(program: Program, config: OverlayConfig) -> None:
    index = number(program, Opcode.LOAD, "post")
    with pytest.raises(ProgramError, match=r"instruction \d+ .* waits for a token of LOAD"):
        verify_tokens(changed(program, index, post=0), config)


def test_counter_overflow(config: OverlayConfig) -> None:
    post = Instruction(Opcode.LOAD, {"post": 1 << Engine.CONV})
    with pytest.raises(ProgramError, match="too many tokens from LOAD to CONV"):
        verify_tokens([post] * 300, config)


@pytest.mark.parametrize("field", ["segments", "segment_words", "last_words", "repeats"])
def test_wrong_weights(program: Program, config: OverlayConfig, field: str) -> None:
    index = number(program, Opcode.WEIGHTS)
    value = program.instructions[index].field(field) + 1
    with pytest.raises(ProgramError, match=r"\(CONV\) consumes"):
        verify_tokens(changed(program, index, **{field: value}), config)


def test_weights_missing_or_late(program: Program, config: OverlayConfig) -> None:
    instructions = [one for one in program.instructions if one.opcode is not Opcode.WEIGHTS]
    with pytest.raises(ProgramError, match="has no WEIGHTS before it"):
        verify_tokens(instructions, config)


def test_weights_too_far_ahead(program: Program, config: OverlayConfig) -> None:
    ahead = sorted(program.instructions, key=lambda one: one.opcode is not Opcode.WEIGHTS)
    with pytest.raises(ProgramError, match="stands behind"):
        verify_tokens(ahead, config)


def test_weights_left_over(program: Program, config: OverlayConfig) -> None:
    weights = program.instructions[number(program, Opcode.WEIGHTS)]
    with pytest.raises(ProgramError, match="1 WEIGHTS have no CONV"):
        verify_tokens([*program.instructions, weights], config)


def test_replay_beyond_the_buffer(network: Network, config: OverlayConfig) -> None:
    program = compile_network(network, replace(config, accumulator_depth=4))
    assert any(one.field("replay") for one in program.instructions)
    with pytest.raises(ProgramError, match="replays more than the weight buffer"):
        verify_tokens(program.instructions, replace(config, weight_words=10))
