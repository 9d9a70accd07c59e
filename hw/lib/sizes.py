"""What the constructors of components refuse."""

from __future__ import annotations


def check_sizes(low: int, high: int | None = None, *, power: bool = False, **sizes: int) -> None:
    """ValueError for a size outside of [``low``, ``high``], or that must be a power of two."""
    kind = "a power of two" if power else "an integer"
    span = f"of at least {low}" if high is None else f"in [{low}, {high}]"
    for name, size in sizes.items():
        sound = isinstance(size, int) and low <= size and (high is None or size <= high)
        if not sound or (power and size & (size - 1)):
            raise ValueError(f"{name} must be {kind} {span}, not {size!r}")
