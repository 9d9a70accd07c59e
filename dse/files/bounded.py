"""Files of unknown size: none is read beyond a bound."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_bounded(path: str | Path, limit: int) -> bytes | None:
    """The bytes of a file, or None if it has more than ``limit``; OSError if it cannot be read.

    Of a file that says how long it is nothing is read if that is too long; devices and pipes do not
    say.
    """
    with Path(path).open("rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size > limit:
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None
