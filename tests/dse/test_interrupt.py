"""What an interrupt makes of exceptions that get lost, are turned into others, or come twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAD = """
import os, signal, threading, time
from concurrent.futures import ProcessPoolExecutor
from dse.process import interrupt

def stop(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)

"""
BODIES = {
    "plain": "def main():\n    stop()",
    "turned into another": """
def main():
    try:
        stop()
    except BaseException as error:
        raise ImportError("initialisation failed") from error
""",
    "swallowed": """
def main():
    try:
        stop()
    except BaseException:
        pass
    return 3
""",
    "in a destructor": """
class Lost:
    def __del__(self):
        stop()

def main():
    Lost()
    time.sleep(30)
""",
    "twice": """
def main():
    try:
        stop()
    finally:
        stop()
        time.sleep(30)
""",
    "in a thread that fails": """
def main():
    failing = threading.Thread(target=lambda: time.sleep(0.2) or 1 / 0)
    failing.start()
    try:
        stop()
    finally:
        failing.join()
""",
    "with processes": """
def main():
    with ProcessPoolExecutor(2, initializer=interrupt.ignored) as pool:
        pool.submit(time.sleep, 0.1)
        stop()
""",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_one_line_and_130(body: str) -> None:
    done = _python(body, "main")
    assert done.returncode == 130, done
    assert done.stderr == "program: interrupted\n"


def test_without_a_signal_nothing_changes() -> None:
    assert _python("", "lambda: 3").returncode == 3
    assert _python("", "lambda: None").returncode == 0
    done = _python("", "lambda: 1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_work_that_is_done_stays_done() -> None:
    done = _python("class End:\n    def __del__(self):\n        stop()\nend = End()", "lambda: 0")
    assert (done.returncode, done.stderr) == (0, "")


def _python(body: str, main: str) -> subprocess.CompletedProcess[str]:
    tail = f"\nimport sys\nsys.exit(interrupt.command({main}, 'program'))\n"
    command = [sys.executable, "-c", HEAD + body + tail]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
