"""What the hosts' command lines share: every failure is one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from boards.runtime.link import HostError
from dse.assembly.program_error import ProgramError
from dse.files.arrays import ArraysError
from dse.network.graph import NetworkError
from dse.process import interrupt

FAILED, BAD_INPUT = 1, 2


def run(main: Callable[[], None], name: str) -> int:
    """Runs a host's main function; its exit code: 1 if card or driver failed, 2 for bad input."""

    def told() -> int:
        try:
            main()
        except HostError as error:
            return _tell(name, str(error), FAILED)
        except (ArraysError, NetworkError, ProgramError) as error:
            return _tell(name, str(error), BAD_INPUT)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return _tell(name, f"{where}{error.strerror or error}", BAD_INPUT)
        return 0

    return interrupt.command(told, name)


def _tell(name: str, message: str, code: int) -> int:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    return code
