"""Entries are made once by all processes, whole or not at all, and do not grow without bound."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from sim.cache import RECENT, Cache

PROCESSES = 4


def fill(parts: Path) -> None:
    """Makes an entry that tells who made it, slowly enough for others to come meanwhile."""
    time.sleep(0.2)
    (parts / "maker").write_text(str(os.getpid()))
    with (parts.parent.parent / "makers").open("a") as file:
        file.write(f"{os.getpid()}\n")


def want(folder: Path) -> str:
    return (Cache(folder).keep("one", fill) / "maker").read_text()


def test_processes_make_an_entry_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        found = pool.map(want, [tmp_path / "kept"] * PROCESSES, chunksize=1)
    assert len(set(found)) == 1
    assert (tmp_path / "makers").read_text().split() == found[:1]


def test_a_failure_leaves_no_entry_but_what_it_wrote(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(parts: Path) -> None:
        (parts / "log").write_text("why")
        raise ValueError

    with pytest.raises(ValueError):
        cache.keep("one", fail)
    assert cache.find("one") is None
    assert [log.read_text() for log in tmp_path.glob("*/log")] == ["why"]
    assert cache.keep("one", lambda parts: None) == cache.find("one")


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(parts: Path) -> None:
        (parts / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).keep("one", interrupted)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


def test_what_a_killed_process_left_is_not_taken_for_an_entry(tmp_path: Path) -> None:
    def killed() -> None:
        Cache(tmp_path).keep("one", lambda parts: os._exit(1))

    process = multiprocessing.get_context("fork").Process(target=killed)
    process.start()
    process.join()
    assert Cache(tmp_path).find("one") is None
    entry = Cache(tmp_path).keep("one", lambda parts: (parts / "whole").touch())
    assert [file.name for file in entry.iterdir()] == ["whole"]


def test_the_longest_unused_entries_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=250)

    def make(parts: Path) -> None:
        (parts / "data").write_bytes(bytes(100))

    old = {name: cache.keep(name, make) for name in ("a", "b")}
    for age, entry in enumerate(old.values()):
        used = time.time() - 3 * RECENT + age
        os.utime(entry, (used, used))
    assert cache.find("a") == old["a"]  # and counts as used
    cache.keep("c", make)
    assert [cache.find(name) is not None for name in "abc"] == [True, False, True]
    cache.keep("d", make)  # too much, but all of them were used just now
    assert all(cache.find(name) for name in "acd")
