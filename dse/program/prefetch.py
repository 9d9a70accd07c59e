"""Prefetch: LOAD and WEIGHTS move ahead of computations that they do not depend on.

Fetch dispatches in program order, so what should run ahead has to stand ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

from dse.program.instruction import Action
from hw.isa import Opcode

DISTANCE = 2  # computations that are overtaken; WEIGHTS must not fill its queue (4), see tokens
_AHEAD = (Opcode.LOAD, Opcode.WEIGHTS)
_COMPUTE = (Opcode.CONV, Opcode.POOL)


def prefetch(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The same actions, LOAD and WEIGHTS as early as order and dependencies allow."""
    ordered: list[Action] = []
    for action in actions:
        ordered.insert(_position(ordered, action), action)
    return tuple(ordered)


def _position(ordered: Sequence[Action], action: Action) -> int:
    """Before the furthest computation that the action may overtake."""
    best = len(ordered)
    opcode = action.instruction.opcode
    if opcode not in _AHEAD:
        return best
    overtaken = 0
    for index in range(len(ordered) - 1, -1, -1):
        other = ordered[index]
        if other.instruction.opcode is opcode or action.conflicts(other):
            break
        if other.instruction.opcode in _COMPUTE:
            overtaken += 1
            best = index
        if overtaken == DISTANCE:
            break
    return best
