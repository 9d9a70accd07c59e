"""Files that are there whole or not at all: written beside their place, and renamed at the end."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from dse.process.interrupt import deferred


class Writing:
    """Files of one folder that change together; made by ``writing``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, Path] = {}
        self._gone: set[Path] = set()

    @contextmanager
    def open(self, name: str, *, executable: bool = False) -> Iterator[IO[bytes]]:
        """A file of the folder, or of one in it, as a binary stream."""
        target = self._folder / name
        self._parts[name] = part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        with _naming(target):
            part.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(part, flags, 0o777 if executable else 0o666)
            with os.fdopen(handle, "w+b") as file:
                yield file
                file.flush()
                os.fsync(handle)  # some file systems tell only now that there is no room

    def bytes(self, name: str, data: bytes) -> None:
        """A file of bytes."""
        with self.open(name) as file:
            file.write(data)

    def text(self, name: str, text: str, *, executable: bool = False) -> None:
        """A text file, UTF-8."""
        with self.open(name, executable=executable) as file:
            file.write(text.encode())

    def json(self, name: str, data: Any) -> None:
        """A JSON document."""
        self.text(name, json.dumps(data, indent=1) + "\n")

    def absent(self, name: str) -> None:
        """A file that shall not be there, unless it is one of the others; nor shall the folder in
        this one that it leaves empty."""
        self._gone.add(self._folder / name)

    def sha256(self, name: str) -> str:
        """Of a file that was written."""
        return hashlib.sha256(self._parts[name].read_bytes()).hexdigest()

    def place(self) -> None:
        """Gives the files their names, in the order in which they were written."""
        targets = {self._folder / name: part for name, part in self._parts.items()}
        for target in targets:
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        with deferred():
            for path in self._gone - targets.keys():
                path.unlink(missing_ok=True)
            for target, part in targets.items():
                part.replace(target)
            for within in {path.parent for path in self._gone} - {self._folder}:
                with suppress(OSError):  # it is not empty, or not there
                    within.rmdir()

    def forget(self) -> None:
        """Removes what has no name yet."""
        for part in self._parts.values():
            part.unlink(missing_ok=True)


@contextmanager
def writing(folder: str | Path) -> Iterator[Writing]:
    """Files of a folder, which is made if need be: all change at the end of the block.

    If the block fails, or is interrupted, the folder keeps the files that it had.
    """
    files = Writing(Path(folder))
    with _naming(Path(folder)):
        Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        yield files
        files.place()
    finally:
        files.forget()


def write(path: str | Path, data: str | bytes) -> None:
    """One file, a text in UTF-8."""
    path = Path(path)
    with writing(path.parent) as files:
        files.bytes(path.name, data.encode() if isinstance(data, str) else data)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors of a stream do not know their file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
