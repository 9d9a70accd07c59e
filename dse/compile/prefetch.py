"""Prefetch: LOAD, WEIGHTS and POOL move ahead of computations that they do not depend on.

Fetch dispatches in program order, so what should run ahead has to stand ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

from dse.assembly.instruction import Action
from hw.isa import Opcode

# Computations that are overtaken.  WEIGHTS must not fill its queue (4), see tokens.
DISTANCE = {Opcode.WEIGHTS: 2, Opcode.LOAD: 8, Opcode.POOL: 8}
_COMPUTE = (Opcode.CONV, Opcode.POOL)


def prefetch(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The same actions, as early as order, dependencies and ``DISTANCE`` allow."""
    ordered: list[Action] = []
    for action in actions:
        ordered.insert(_position(ordered, action), action)
    return tuple(ordered)


def _position(ordered: Sequence[Action], action: Action) -> int:
    """Before the furthest computation that the action may overtake."""
    best = len(ordered)
    opcode = action.instruction.opcode
    distance = DISTANCE.get(opcode, 0)
    overtaken = 0
    for index in range(len(ordered) - 1, -1, -1):
        if overtaken == distance:
            break
        other = ordered[index]
        if other.instruction.opcode is opcode or action.conflicts(other):
            break
        if other.instruction.opcode in _COMPUTE:
            overtaken += 1
            best = index
    return best
