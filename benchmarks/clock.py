"""Wall and processor time of the stages of a benchmark."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stage:
    """Seconds that a stage took; ``processor``: of this process and its children."""

    wall: float
    processor: float


@dataclass
class Stages:
    """The stages so far, by name."""

    taken: dict[str, Stage] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what it encloses, and says so."""
        wall, processor = time.monotonic(), _processor()
        yield
        stage = Stage(time.monotonic() - wall, _processor() - processor)
        self.taken[name] = stage
        print(f"{name:<28}{stage.wall:8.1f} s{stage.processor:8.1f} s of processors", flush=True)


def _processor() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
