"""Tables in programs: where they are put, what they cost, and overlays that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.assembly.disassemble import text
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import (
    ActivationTable,
    Conv,
    Network,
    NetworkError,
    Pool,
    Quantisation,
    Window,
)
from dse.network.numbers import without_numbers
from dse.network.table_fusion import behind_convolutions
from dse.passes import merge, siblings
from dse.passes.pass_error import PassError
from hw.isa import Opcode
from hw.isa.config import TABLE_RECORDS, OverlayConfig
from tests.kit.tables import random_table, with_tables
from tests.sim.test_functional import SMALL, Builder, branchy, check


def two_tables(same: bool) -> Network:
    b = Builder(np.random.default_rng(1))
    first = b.conv(b.input(5, 5, 3), 4, Window((3, 3)))
    network = b.build(b.pool(b.conv(first, 4, Window()), "max", Window()))
    network = with_tables(network, np.random.default_rng(2))
    if not same:
        return network
    entries = network.operators[0].table.entries
    operators = (replace(op, table=replace(op.table, entries=entries)) for op in network.operators)
    return replace(network, operators=tuple(operators))


def loads(network: Network, config: OverlayConfig) -> list[int]:
    """The first records of the tables that are loaded."""
    program = compile_network(network, config)
    return [
        one.field("local") - config.parameter_depth
        for one in program.instructions
        if one.opcode is Opcode.LOAD and one.field("local") >= config.parameter_depth
        if one.field("space") == 1
    ]


def test_tables_take_turns_behind_the_records() -> None:
    for tables, places in ((1, [0, 0, 0]), (2, [0, 1, 0]), (3, [0, 1, 2])):
        found = loads(two_tables(same=False), replace(SMALL, tables=tables))
        assert found == [place * TABLE_RECORDS for place in places]


def test_equal_tables_are_one() -> None:
    network = two_tables(same=True)
    assert loads(network, SMALL) == [0]
    check(network, SMALL)


@pytest.mark.parametrize("tables", [1, 2])
def test_every_order_gives_the_same_bytes(tables: int) -> None:
    """Residuals, branches and poolings: a table is not overwritten while someone needs it."""
    network = with_tables(branchy(), np.random.default_rng(5))
    check(network, replace(SMALL, tables=tables), seeds=20)


def test_programs_without_tables_are_the_same_bytes_on_any_overlay() -> None:
    programs = [compile_network(branchy(), replace(SMALL, tables=n)) for n in (0, 2)]
    first, second = (p.instructions[1:-1] for p in programs)
    assert first == second
    assert programs[0].parameters == programs[1].parameters


def test_an_overlay_without_tables_says_so() -> None:
    message = "layer 'conv0' applies an activation table, the overlay has none: raise tables"
    with pytest.raises(ProgramError, match=message):
        compile_network(two_tables(same=True), replace(SMALL, tables=0))


def test_hashes_of_overlays_without_tables_are_those_of_before() -> None:
    """Of a configuration that had been made before there were tables, with ISA version 6."""
    assert replace(SMALL, tables=0).hash != SMALL.hash
    assert OverlayConfig(rows=16, columns=32, tables=0, products=0).hash == 0xFE62097B


def test_the_disassembler_shows_the_table() -> None:
    listing = text(compile_network(two_tables(same=False), SMALL).instructions)
    assert " table=1" in listing and " table=2" in listing


def test_a_table_must_fit_its_operator() -> None:
    network = two_tables(same=False)
    first, second, pool = network.operators
    assert isinstance(first, Conv) and isinstance(pool, Pool)
    wrong = replace(pool.table, quantisation=Quantisation(0.5, 1))
    for operators, message in (
        ((first, second, replace(pool, kind="average")), "only a maximum can have a table"),
        ((first, second, replace(pool, table=wrong)), "the table is not of the input's"),
        ((replace(first, table=ActivationTable()), second, pool), "only some of its weights"),
    ):
        with pytest.raises(NetworkError, match=message):
            replace(network, operators=operators)
    with pytest.raises(NetworkError, match="a table has 256 entries, not 3"):
        ActivationTable(Quantisation(1.0, 0), b"abc")


def test_layers_with_tables_are_not_merged() -> None:
    b = Builder(np.random.default_rng(3))
    x = b.input(4, 4, 3)
    branches = [b.conv(x, 4, Window()) for _ in range(2)]
    network = b.build(*(b.conv(branch, 2, Window((3, 3))) for branch in branches))
    (group,) = siblings(network)
    tabled = with_tables(network, np.random.default_rng(4))
    assert siblings(tabled) == ()
    with pytest.raises(PassError, match="applies a table of its own"):
        merge(tabled, [group])


def test_a_table_joins_the_convolution_that_it_alone_reads() -> None:
    b = Builder(np.random.default_rng(6))
    first = b.conv(b.input(4, 4, 3), 4, Window())
    own = b.pool(first, "max", Window())
    shared = b.conv(own, 4, Window())
    ends = [b.pool(shared, "max", Window()) for _ in range(2)]
    network = b.build(*ends)
    rng = np.random.default_rng(7)
    operators = (
        replace(op, table=random_table(network.tensors[op.input].quantisation, rng))
        if isinstance(op, Pool)
        else op
        for op in network.operators
    )
    network = replace(network, operators=tuple(operators))
    joined = behind_convolutions(network)
    kinds = [type(op).__name__ for op in joined.operators]
    assert kinds == ["Conv", "Conv", "Pool", "Pool"]
    assert joined.operators[0].table is not None and joined.operators[1].table is None
    check(joined, SMALL, seeds=1)
    assert without_numbers(joined).operators[0].table == ActivationTable()
