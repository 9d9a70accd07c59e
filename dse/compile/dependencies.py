"""Dependency tokens: derived from the regions that instructions touch, and proved.

Engines execute in order, so waiting for an instruction means waiting for all before it on its
engine.  For each ordered pair of engines both the waiting and the posting instructions follow
program order, hence the k-th token posted is the k-th consumed.
"""

from __future__ import annotations

from collections.abc import Sequence

from dse.assembly.instruction import Action, Instruction
from dse.assembly.program_error import ProgramError
from hw.isa import TRANSFORM_OF, Dataflow, Engine, Opcode
from hw.isa.config import OverlayConfig, ceil_div

QUEUE_DEPTH = 4  # instructions that wait at an engine before fetch stops
COUNTER_LIMIT = 255 - QUEUE_DEPTH - 1  # an engine can be so far behind program order
SEGMENT_FIELDS = ("segments", "segment_words", "last_words", "repeats")


def assign_tokens(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The actions with ``wait`` and ``post``: as few tokens as order all that depends.

    ``clocks``: per engine, the last action of each engine that is known to be done when its next
    one starts; ``done``: the same when an action is done.
    """
    waits, posts = [0] * len(actions), [0] * len(actions)
    issued: dict[Engine, list[int]] = {engine: [] for engine in Engine}
    clocks = {engine: dict.fromkeys(Engine, -1) for engine in Engine}
    done: dict[int, dict[Engine, int]] = {}
    for index, action in enumerate(actions):
        engine = action.instruction.engine
        if engine is None:
            continue
        clock = clocks[engine]
        needs = {
            source: _latest(actions, issued[source], clock[source], action) for source in Engine
        }
        for source, needed in sorted(needs.items(), key=lambda need: -need[1]):
            if needed <= clock[source]:
                continue
            clock = {other: max(known, done[needed][other]) for other, known in clock.items()}
            waits[index] |= 1 << source
            posts[needed] |= 1 << engine
        clocks[engine] = clock
        done[index] = {**clock, engine: index}
        issued[engine].append(index)
    return tuple(
        action.with_fields(wait=wait, post=post)
        for action, wait, post in zip(actions, waits, posts, strict=True)
    )


def verify_tokens(instructions: Sequence[Instruction], config: OverlayConfig) -> None:
    """Prove that the program cannot hang and that every CONV finds exactly its weights.

    Every token is posted before it is awaited in program order, so the oldest unfinished
    instruction can always proceed; no counter overflows or keeps a token; and WEIGHTS, which
    needs a later CONV to make room, never stops fetch before that CONV.
    """
    _verify_counters(instructions)
    _verify_weights(instructions, config)


def _latest(actions: Sequence[Action], issued: Sequence[int], known: int, action: Action) -> int:
    """The last action of an engine that ``action`` depends on, -1 if none after the ``known``."""
    for index in reversed(issued):
        if index <= known:
            return -1
        if _depends(action, actions[index]):
            return index
    return -1


def _depends(action: Action, earlier: Action) -> bool:
    """Whether a token is needed between the two.

    An engine orders its own instructions, but consecutive CONVs overlap: the later may read before
    the earlier has written.  Both write in order, and the later writes after the earlier's reads.
    """
    if action.instruction.engine is not earlier.instruction.engine:
        return action.conflicts(earlier)
    return action.instruction.opcode is Opcode.CONV and action.reads_from(earlier)


def _verify_counters(instructions: Sequence[Instruction]) -> None:
    counters = {(source, target): 0 for source in Engine for target in Engine}
    for index, instruction in enumerate(instructions):
        engine = instruction.engine
        if engine is None:
            continue
        for source in instruction.engines("wait"):
            counters[source, engine] -= 1
            if counters[source, engine] < 0:
                raise ProgramError(
                    f"instruction {index} ({instruction.opcode.name}) waits for a token of "
                    f"{source.name} that nothing before it posts"
                )
        for target in instruction.engines("post"):
            counters[engine, target] += 1
            if counters[engine, target] > COUNTER_LIMIT:
                raise ProgramError(
                    f"instruction {index}: too many tokens from {engine.name} to {target.name}"
                )
    for (source, target), count in counters.items():
        if count:
            raise ProgramError(f"{count} tokens from {source.name} to {target.name} are left over")


def _verify_weights(instructions: Sequence[Instruction], config: OverlayConfig) -> None:
    streams: list[Instruction] = []
    used = 0
    for index, instruction in enumerate(instructions):
        if instruction.opcode is Opcode.WEIGHTS:
            streams.append(instruction)
        if instruction.opcode is not Opcode.CONV:
            continue
        ahead = len(streams) - used
        if ahead == 0:
            raise ProgramError(f"instruction {index} (CONV) has no WEIGHTS before it")
        if ahead > QUEUE_DEPTH:
            raise ProgramError(f"instruction {index} (CONV) stands behind {ahead} WEIGHTS")
        given = tuple(streams[used].field(name) for name in SEGMENT_FIELDS)
        wanted = _consumed(instruction, config)
        if given != wanted:
            raise ProgramError(
                f"instruction {index} (CONV) consumes {SEGMENT_FIELDS} = {wanted}, gets {given}"
            )
        if instruction.field("replay") and given[1] > config.weight_words:
            raise ProgramError(f"instruction {index} (CONV) replays more than the weight buffer")
        used += 1
    if used != len(streams):
        raise ProgramError(f"{len(streams) - used} WEIGHTS have no CONV")


def _consumed(conv: Instruction, config: OverlayConfig) -> tuple[int, ...]:
    """What ``SEGMENT_FIELDS`` of the WEIGHTS of a CONV must be."""
    channels, tile, chunks = (conv.field(name) for name in ("channels", "channel_tile", "chunks"))
    segments = ceil_div(channels, tile)
    if conv.field("dataflow") == Dataflow.IS:
        words = min(channels, tile) * chunks, (channels - (segments - 1) * tile) * chunks
    else:
        words = config.rows * chunks, config.rows * chunks
    pixel_tiles = ceil_div(conv.field("pixels"), conv.field("pixel_tile"))
    repeats = 1 if conv.field("replay") else pixel_tiles
    if conv.field("algorithm") in TRANSFORM_OF:
        whole = (segments - 1) * words[0] + words[1]
        return 1, whole, whole, repeats
    return segments, *words, repeats
