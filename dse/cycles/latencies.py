"""What the pipelines of a configuration take, in cycles."""

from __future__ import annotations

from dataclasses import dataclass

from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    BLOCK_QUEUE_LATENCY,
    DRAINED_LATENCY,
    FEED_LATENCY,
    INPUT_LATENCY,
    TURN_LATENCY,
    collector_busy,
    collector_latency,
    foot_delay,
    output_latency,
    parameter_margin,
)
from hw.isa.transforms import Transform


@dataclass(frozen=True)
class Latencies:
    """Of one configuration.

    word : from a wave to its word at the writer (WS, NS). group : from a group's last wave to the
    first of its words (IS). turned : from a word read from the output turn to the writer. travel :
    between waves that take parameters. margin : from the start of a parameter burst to the first
    wave that may use it.  With Winograd, from a unit's last element, less the output transform:
    word, to the first of its words at the writer (WS); filled : to its first pixel in the output
    turn, and the turn's notice of it (IS).  swap : from there to the parameters' swap (WS).
    cooling : cycles behind it in which results are still to leave the feet. busy : for which the
    collector's output is not free (WS). clear : from there to the output turn's first read (IS).
    """

    word: int
    group: int
    turned: int
    travel: int
    margin: int
    filled: int
    swap: int
    cooling: int
    busy: int
    clear: int

    @classmethod
    def of(cls, config: OverlayConfig) -> Latencies:
        travel = foot_delay(config.rows)
        results = collector_latency(config.rows, config.crossings)
        transforms = config.transforms
        swap = max((output_latency(t, transforms) for t in transforms), default=0)
        pixels = max((t.drained for t in transforms), default=0)
        return cls(
            word=results + config.columns + BLOCK_QUEUE_LATENCY,
            group=results + 1 + BLOCK_QUEUE_LATENCY,
            turned=TURN_LATENCY + BLOCK_QUEUE_LATENCY,
            travel=travel,
            margin=parameter_margin(config.rows, config.columns),
            filled=results + 1,
            swap=swap,
            cooling=swap + pixels + DRAINED_LATENCY,
            busy=collector_busy(config.columns, transforms),
            clear=1 + results - TURN_LATENCY,
        )


def block_latency(transform: Transform) -> int:
    """From the request of a block's last word to the cycle that completes it in the scratch."""
    return FEED_LATENCY + INPUT_LATENCY + transform.elements - 1
