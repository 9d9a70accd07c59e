"""Names that no one has yet, and names of our own in place of those a user gave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dse.network.draft import Draft, DraftTensor, Layer

_NUMBERED = re.compile(r"(?P<number>[a-z]\d+)(?P<rest>.*)", re.DOTALL)


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


class Numbering:
    """Numbers for the tensors and layers of a draft, while other software works on it.

    That software derives names of its own from those it is given (``t_scale``): from numbers it
    makes none that a user could have given, too.  All names here are unique in the end.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._tensors = {f"t{i}": tensor.name for i, tensor in enumerate(_tensors(draft))}
        self._layers = {f"n{i}": layer.name for i, layer in enumerate(draft.layers)}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The draft has numbers for names as long as this lasts."""
        for number, tensor in zip(self._tensors, _tensors(self._draft), strict=True):
            tensor.name = number
        for number, layer in zip(self._layers, self._draft.layers, strict=True):
            layer.name = number
        try:
            yield
        finally:
            self.restore(self._draft)

    def restore(self, draft: Draft) -> None:
        """Give names for numbers in a draft that was made of the numbered one."""
        _rename(list(_tensors(draft)), self._tensors)
        _rename(draft.layers, self._layers)

    def given(self, name: str) -> str:
        """The name that a number, or a name derived from one, stands for."""
        return _derived(name, self._layers | self._tensors)


def _tensors(draft: Draft) -> Iterator[DraftTensor]:
    yield from draft.inputs
    yield from (layer.output for layer in draft.layers)


def _rename(things: Sequence[DraftTensor | Layer], given: Mapping[str, str]) -> None:
    """Numbers become the names they stand for; names derived from numbers are derived anew."""
    names = Names(given.values())
    for thing in things:
        if thing.name in given:
            thing.name = given[thing.name]
        else:
            thing.name = names.fresh(_derived(thing.name, given))


def _derived(name: str, given: Mapping[str, str]) -> str:
    found = _NUMBERED.fullmatch(name)
    if found is None or found["number"] not in given:
        return name
    return given[found["number"]] + found["rest"]
