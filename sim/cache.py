"""Folders that are made once, under a name that tells all that went into them, and then kept.

Processes side by side make an entry once: the others wait.  An entry is made beside its place and
renamed, so one that is there is whole, however its maker ended.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIMIT = 2 << 30
"""Bytes; beyond them the entries go that have not been used for longest."""
RECENT = 3600.0
"""Seconds after its last use in which an entry stays: someone may be about to run it."""

_LOCKS = 64
_PART = ".part"


@dataclass(frozen=True)
class Cache:
    """Entries by name below a folder.

    Parameters
    ----------
    folder : holds nothing else.
    limit : bytes of all entries together.
    """

    folder: Path
    limit: int = LIMIT

    def find(self, name: str) -> Path | None:
        """The entry of that name, which counts as used now; None if there is none."""
        entry = self.folder / name
        try:
            os.utime(entry)
        except FileNotFoundError:
            return None
        return entry

    def keep(self, name: str, make: Callable[[Path], None]) -> Path:
        """The entry of that name, made unless it is there.

        ``make`` fills an empty folder.  What it leaves when it raises an error stays to be looked
        at, under another name, until its turn to be removed comes; an interrupt leaves nothing.
        """
        with self._lock(name):
            entry = self.find(name)
            if entry is not None:
                return entry
            entry = self.folder / name
            self._part(name, make).rename(entry)
        self._prune()
        return entry

    def _part(self, name: str, make: Callable[[Path], None]) -> Path:
        part = self.folder / f"{name}.{secrets.token_hex(4)}{_PART}"
        part.mkdir()
        try:
            make(part)
        except Exception:
            raise
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return part

    def _prune(self) -> None:
        """Removes the entries that have not been used for longest, until the rest fits."""
        used = {entry: _used(entry) for entry in self.folder.iterdir() if entry.is_dir()}
        sizes = {entry: _size(entry) for entry in used}
        excess = sum(sizes.values()) - self.limit
        for entry in sorted(used, key=used.__getitem__):
            if excess <= 0 or time.time() - used[entry] < RECENT:
                return
            with self._lock(entry.name):
                shutil.rmtree(entry, ignore_errors=True)
            excess -= sizes[entry]

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One process at a time; lock files are never removed, so their number is fixed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{zlib.crc32(name.encode()) % _LOCKS}.lock"
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _used(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:  # another process has removed or renamed it
        return time.time()


def _size(entry: Path) -> int:
    files = (Path(folder) / file for folder, _, files in os.walk(entry) for file in files)
    return sum(file.stat().st_size for file in files if file.exists())
