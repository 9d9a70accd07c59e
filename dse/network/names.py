"""Names for the operators and tensors that passes add."""

from __future__ import annotations

from collections.abc import Iterable


class Names:
    """Hands out names that no one has yet."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wish: str) -> str:
        """``wish``, or ``wish`` with the first free number."""
        name, number = wish, 1
        while name in self._taken:
            name, number = f"{wish}.{number}", number + 1
        self._taken.add(name)
        return name

    def release(self, name: str) -> None:
        """A name that nothing has any more."""
        self._taken.discard(name)
