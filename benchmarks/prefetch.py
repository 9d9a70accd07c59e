"""What the closed form makes of weights that come ahead: ``python -m benchmarks.prefetch``.

Each network on one overlay with one and with four weight ports, mapped with every share of the
waits for weights that ``Overlay.prefetched`` may take off; then compiled, for the exact cycles.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from boards.board import U200
from dse.cost.overlay_model import OverlayModel
from dse.explore.families import Space
from dse.explore.search import explore, predict
from dse.mapping import map_network
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark
from dse.process import interrupt

NETWORKS = ("googlenet", "inception-v4", "inception-v2", "resnet-50")
ARRAY = 48, 128
SHARES = (0.0, 0.25, 0.5, 1.0)


def row(network: str, ports: int) -> str:
    """A line of the table: for each share closed form / exact cycles."""
    outline = without_dense(benchmark(network))
    space = Space(lanes=(2,), weight_ports=ports)
    found = explore(outline, U200, array=ARRAY, space=space, certify=False)
    assert isinstance(found.model, OverlayModel)
    cells = []
    for share in SHARES:
        model = replace(found.model, prefetched=share)
        mapping = map_network(found.network, model, *ARRAY)
        made = predict(replace(found, model=model, mapping=mapping), outline)
        assert made.execution is not None
        cells.append(f"{mapping.cycles:,.0f} / {made.execution.cycles.total:,}")
    return f"| {network} | {ports} | " + " | ".join(cells) + " |"


def main(*networks: str) -> None:
    """Print the table."""
    print("| network | ports | " + " | ".join(f"{share:g}" for share in SHARES) + " |")
    print("|---|---|" + "---:|" * len(SHARES))
    for network in networks or NETWORKS:
        for ports in (1, 4):
            print(row(network, ports), flush=True)


if __name__ == "__main__":
    sys.exit(interrupt.command(lambda: main(*sys.argv[1:]), "prefetch"))
