"""Random networks of the IR: odd shapes, branches and joins, all that the overlay executes."""

from __future__ import annotations

import numpy as np

from dse.network.graph import Network, Window
from tests.sim.test_functional import Builder

STEPS = ("conv", "same", "point", "long", "group", "depth", "pool", "add", "concat", "dense")
MOST_VALUES = 1 << 14  # of a tensor, so that the models in numpy take a moment


def drawn_network(rng: np.random.Generator) -> Network:
    """A network of one or two inputs and up to nine layers, several of whose tensors may leave."""
    return _Drawing(rng).network()


class _Drawing:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._builder = Builder(rng)
        self._names: list[str] = []

    def network(self) -> Network:
        for _ in range(1 + (self._rng.random() < 0.2)):
            size = self._extent(), self._extent(), self._channels(few=True)
            self._names.append(self._builder.input(*size))
        for _ in range(int(self._rng.integers(1, 10))):
            getattr(self, f"_{self._rng.choice(STEPS)}")(self._source())
        more = self._rng.choice(self._names, int(self._rng.integers(0, 3)))
        return self._builder.build(self._names[-1], *map(str, more))

    def _source(self) -> str:
        """A tensor, most often a late one."""
        if self._rng.random() < 0.6:
            return self._names[-1]
        return str(self._rng.choice(self._names))

    def _extent(self) -> int:
        return int(self._rng.choice([1, 2, 3, 4, 5, 7, 8, 11, 16, 24, 33]))

    def _channels(self, few: bool = False) -> int:
        most = 9 if few else int(self._rng.choice([4, 16, 48, 130]))
        return int(self._rng.integers(1, most + 1))

    def _shape(self, name: str) -> tuple[int, int, int]:
        return self._builder.tensors[name].shape

    def _window(self, name: str, most: int = 5) -> Window:
        """Any that has an output pixel, with no tap outside of all images."""
        axes = []
        for size in self._shape(name)[:2]:
            kernel = int(self._rng.integers(1, min(most, size) + 1))
            dilation = 2 if 2 * kernel - 1 <= size and self._rng.random() < 0.2 else 1
            reach = (kernel - 1) * dilation
            limit = min(reach, dilation * (kernel // 2))
            before, after = (int(n) for n in self._rng.integers(0, limit + 1, 2))
            axes.append(
                (kernel, int(self._rng.choice([1, 1, 1, 2, 3, 4])), dilation, before, after)
            )
        (ky, sy, dy, top, bottom), (kx, sx, dx, left, right) = axes
        return Window((ky, kx), (sy, sx), (dy, dx), (top, left, bottom, right))

    def _add_conv(self, name: str, cout: int, window: Window, groups: int = 1) -> None:
        height, width = window.output(*self._shape(name)[:2])
        if height * width * cout <= MOST_VALUES:
            self._names.append(self._builder.conv(name, cout, window, groups))

    def _conv(self, name: str) -> None:
        self._add_conv(name, self._channels(), self._window(name))

    def _same(self, name: str) -> None:
        self._add_conv(name, self._shape(name)[2], Window((3, 3), padding=(1, 1, 1, 1)))

    def _point(self, name: str) -> None:
        """Siblings, as often as not, that may meet in a concatenation."""
        for _ in range(int(self._rng.integers(1, 4))):
            self._add_conv(name, self._channels(), Window())

    def _long(self, name: str) -> None:
        size = int(self._rng.choice([3, 5, 7]))
        flat = Window((1, size), padding=(0, size // 2, 0, size // 2))
        tall = Window((size, 1), padding=(size // 2, 0, size // 2, 0))
        self._add_conv(name, self._channels(), flat if self._rng.random() < 0.5 else tall)

    def _group(self, name: str) -> None:
        channels = self._shape(name)[2]
        groups = int(self._rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
        outputs = groups * int(self._rng.integers(1, 4))
        self._add_conv(name, outputs, self._window(name, 3), groups)

    def _depth(self, name: str) -> None:
        channels = self._shape(name)[2]
        self._add_conv(name, channels, Window((3, 3), padding=(1, 1, 1, 1)), channels)

    def _pool(self, name: str) -> None:
        kind = str(self._rng.choice(["max", "average"]))
        flags = self._rng.random(2) < 0.5
        window = self._window(name)
        self._names.append(self._builder.pool(name, kind, window, bool(flags[0]), bool(flags[1])))

    def _add(self, name: str) -> None:
        alike = [n for n in self._names if self._shape(n) == self._shape(name)]
        self._names.append(self._builder.add(name, str(self._rng.choice(alike))))

    def _concat(self, name: str) -> None:
        even = [n for n in self._names if self._shape(n)[:2] == self._shape(name)[:2]]
        more = [str(n) for n in self._rng.choice(even, int(self._rng.integers(1, 4)))]
        values = sum(self._builder.tensors[n].size for n in (name, *more))
        if values <= MOST_VALUES:
            self._names.append(self._builder.concat(name, *more))

    def _dense(self, name: str) -> None:
        height, width, _ = self._shape(name)
        self._add_conv(name, self._channels(), Window((height, width)))
