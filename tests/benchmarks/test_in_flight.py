"""Images in flight: a row for each number, as each number alone is told."""

from __future__ import annotations

from benchmarks.in_flight import rows
from boards.board import U200
from dse.explore.families import Space
from dse.explore.search import explore
from dse.network.numbers import with_random_numbers
from dse.networks.builder import OutlineBuilder


def test_each_number_of_images_has_a_row() -> None:
    net = OutlineBuilder("net", (16, 16, 16))
    net.conv(net.conv("input", "a", 32, 1), "b", 32, 3)
    network = net.build()
    space = Space(winograd=("none",))
    found = explore(network, U200, array=(8, 16), space=space, certify=False, trials=False)
    numbers = with_random_numbers(network)
    several = found.compiled(numbers, 3, range(1, 4))
    table = list(rows(several, network))
    assert [cells[0] for cells in table] == ["1", "2", "3"]
    alone = found.compiled(numbers, 3)
    assert [flight.images for flight in alone.flights] == [1, 2, 3]
    assert alone.flights == several.flights
    for cells, flight in zip(table, several.flights, strict=True):
        share = flight.images * network.macs() / (found.mapping.peak_macs * flight.cycles)
        assert cells[-1] == f"{share:.1%}"
        assert 0 < share < 1.1  # kn2row leaves out what meets padding
