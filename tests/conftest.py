"""What all tests have in common."""

from __future__ import annotations

import signal

# Shells have background jobs ignore SIGINT, and their children inherit it: tests of interrupts
# would wait in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)
