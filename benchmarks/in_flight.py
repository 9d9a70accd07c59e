"""Images in flight, one by one: ``python -m benchmarks.in_flight googlenet --bare --array 48x128``.

The overlay of most images a second, as ``polymap explore --objective throughput`` finds it, with 1,
2, 3 ... images a run: cycles by the exact model, latency, images a second, and which share of the
multipliers' cycles the network's own multiplications take by direct convolution.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from benchmarks.arguments import convolutional, explored, line
from boards.board import board
from dse.explore.exploration import Exploration
from dse.explore.objectives import Objective
from dse.explore.search import explore
from dse.network.graph import Network
from dse.network.numbers import with_random_numbers
from dse.process import interrupt

MOST = 8
HEADER = ("images", "cycles", "an image", "ms", "images/s", "utilisation")


def rows(found: Exploration, network: Network) -> Iterator[tuple[str, ...]]:
    """A row for each flight, by ``HEADER``; ``network``: of one image."""
    for flight in found.flights:
        peak = found.mapping.peak_macs * flight.cycles
        yield (
            str(flight.images),
            f"{flight.cycles:,}",
            f"{flight.cycles / flight.images:,.0f}",
            f"{flight.latency_ms:.3f}",
            f"{flight.images_per_second:,.0f}",
            f"{flight.images * network.macs() / peak:.1%}",
        )


def main(arguments: Sequence[str]) -> None:
    """Print a table for each network."""
    parser = explored("in_flight", __doc__, ["googlenet"])
    parser.add_argument("--board", default="u200")
    parser.add_argument("--batch", type=int, default=MOST, help="images of the longest run")
    asked = parser.parse_args(arguments)
    target = board(asked.board, bare=asked.bare)
    for model in asked.models:
        network = convolutional(model)
        found = explore(
            network,
            target,
            array=asked.array,
            objective=Objective.THROUGHPUT,
            batch=asked.batch,
            certify=False,
        )
        told = range(1, asked.batch + 1)
        found = found.compiled(with_random_numbers(network), asked.batch, told)
        print(f"**{model}, {target.name}, {found.mapping.rows} x {found.mapping.columns}**\n")
        print(f"| {' | '.join(HEADER)} |\n|{'---:|' * len(HEADER)}")
        for cells in rows(found, network):
            print(line(*cells))
        print(flush=True)


if __name__ == "__main__":
    sys.exit(interrupt.command(lambda: main(sys.argv[1:]), "in_flight"))
