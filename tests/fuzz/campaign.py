"""One driver for every fuzzer: cases by number, verdicts counted, the bad ones named.

A fuzzer is a function from a seed to a ``Verdict``.  The same function serves a few seeds in the
test suite and thousands of them as a command: ``python -m tests.fuzz.NAME --count 2000``.
Where cases are cheaper together, the fuzzer is ``Batches``: a function from seeds to verdicts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from typing import Any

from tqdm import tqdm

LINE_SECONDS = 20.0  # between two lines of progress where there is no terminal
WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one case came to.

    Members
    -------
    kind : what happened, in a word or two: cases are counted by it.
    good : whether that is as it must be.
    detail : of a bad case, what a person needs to look into it.
    """

    kind: str
    good: bool
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A bad case; ``--first SEED --count 1`` repeats it."""

    seed: int
    kind: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a campaign found."""

    count: int
    kinds: dict[str, int]
    bad: tuple[Bad, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Batches:
    """A fuzzer that judges several seeds at once.

    Members
    -------
    judge : a verdict for each of the seeds, in their order.
    size : seeds that it gets at most.
    """

    judge: Callable[[Sequence[int]], Sequence[Verdict]]
    size: int


Judge = Callable[[int], Verdict] | Batches


def campaign(judge: Judge, seeds: Sequence[int], *, workers: int = WORKERS) -> Summary:
    """Judges every seed; an exception that ``judge`` lets through is a bad case of its own kind.

    A batch that raises is judged again seed by seed, so that the culprit is named.  ``judge`` must
    be importable from its module, so that worker processes can call it.
    """
    start = time.perf_counter()
    kinds: Counter[str] = Counter()
    bad = []
    for seed, verdict in _progress(_verdicts(judge, seeds, workers), len(seeds)):
        kinds[verdict.kind] += 1
        if not verdict.good:
            bad.append(Bad(seed=seed, kind=verdict.kind, detail=verdict.detail))
    return Summary(
        count=len(seeds),
        kinds=dict(sorted(kinds.items())),
        bad=tuple(sorted(bad, key=lambda one: one.seed)),
        seconds=time.perf_counter() - start,
    )


def command(
    judge: Judge, description: str, *, count: int, argv: Sequence[str] | None = None
) -> int:
    """The command line of a fuzzer; its exit code: 1 if some case was bad."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=count, help="how many cases")
    parser.add_argument("--first", type=int, default=0, help="the first case's seed")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(argv)
    seeds = range(options.first, options.first + options.count)
    found = campaign(judge, seeds, workers=options.workers)
    if options.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        _print(found)
    return 1 if found.bad else 0


def _print(found: Summary) -> None:
    for one in found.bad:
        print(f"BAD seed {one.seed}: {one.kind}: {one.detail}")
    for kind, number in found.kinds.items():
        print(f"{number:8,}  {kind}")
    print(f"{found.count:8,}  cases in {found.seconds:.0f} s, {len(found.bad)} bad")


def _verdicts(judge: Judge, seeds: Sequence[int], workers: int) -> Iterator[tuple[int, Verdict]]:
    fuzzer = judge if isinstance(judge, Batches) else Batches(judge=partial(_each, judge), size=1)
    guarded = partial(_guarded, fuzzer)
    batches = [seeds[at : at + fuzzer.size] for at in range(0, len(seeds), fuzzer.size)]
    if workers <= 1:
        yield from chain.from_iterable(map(guarded, batches))
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from chain.from_iterable(pool.imap_unordered(guarded, batches))


def _each(judge: Callable[[int], Verdict], seeds: Sequence[int]) -> list[Verdict]:
    return [judge(seed) for seed in seeds]


def _guarded(fuzzer: Batches, seeds: Sequence[int]) -> list[tuple[int, Verdict]]:
    try:
        return list(zip(seeds, fuzzer.judge(seeds), strict=True))
    except Exception as error:  # a fuzzer's whole point is the one that nobody foresaw
        if len(seeds) > 1:
            return [found for seed in seeds for found in _guarded(fuzzer, [seed])]
        detail = " ".join(str(error).split())[:500]
        return [
            (seeds[0], Verdict(kind=f"{type(error).__name__} raised", good=False, detail=detail))
        ]


def _progress(found: Iterable[Any], total: int) -> Iterator[Any]:
    """Passes everything on, with a bar on a terminal and a line now and then elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(found, total=total)
        return
    last = time.monotonic()
    for number, one in enumerate(found, 1):
        yield one
        if time.monotonic() - last > LINE_SECONDS:
            last = time.monotonic()
            print(f"{number:,} of {total:,}", file=sys.stderr, flush=True)
