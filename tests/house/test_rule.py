"""The rule of the house notices each breach, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house.exceptions import EXCEPTIONS
from tests.house.rule import Exceptions, breaches

SOUND = {
    "hw/isa/fields.py": "WIDTH = 8\n",
    "hw/isa/timing.py": "ADD_LATENCY = 3\n",
    "hw/conv/array.py": "from hw.isa.fields import WIDTH\nadd = [WIDTH]\n",
    "dse/cost.py": "from hw.conv.array import add\nfrom hw.isa.timing import ADD_LATENCY\n"
    "\ncost = [add, ADD_LATENCY]\n",
    "boards/card.py": "from dse.cost import cost\n\nclass Card:\n    limit = cost\n",
    "sim/run.py": "def run():\n    from boards.card import Card\n    return Card\n",
    "polymap/cli.py": "from sim.run import run\n\ndef main():\n    run()\n",
    "polymap/__init__.py": "from polymap.cli import main\n",
}


def house(root: Path, changes: Mapping[str, str]) -> Path:
    """The sound house with some files changed or added; every folder is a package."""
    for name, text in {**SOUND, **changes}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for folder in path.parents:
            if folder == root:
                break
            (folder / "__init__.py").touch()
    return root


def test_the_project_keeps_the_rule() -> None:
    assert breaches(Path(__file__).parents[2], EXCEPTIONS) == []


def test_a_sound_house(tmp_path: Path) -> None:
    assert breaches(house(tmp_path, {}), Exceptions()) == []


@pytest.mark.parametrize(
    ("changes", "breach"),
    [
        (
            {"dse/cost.py": "from hw.conv.array import *\nfrom boards.card import Card\n"},
            "dse.cost imports boards.card: dse comes before boards",
        ),
        (
            {"hw/isa/fields.py": "from hw.conv.array import add\nWIDTH = add\n"},
            "hw.isa.fields imports hw.conv.array: hw.isa imports nothing of the product",
        ),
        (
            {"sim/run.py": "def run():\n    from tests.kit import make\n    return make\n"},
            "sim.run imports tests.kit: the product must not import tests",
        ),
        (
            {
                "dse/a/one.py": "from dse.b.two import two\n\ndef one():\n    return two\n",
                "dse/b/two.py": "def two():\n    from dse.a.one import one\n    return one\n",
                "dse/cost.py": SOUND["dse/cost.py"] + "\nfrom dse.a.one import one\none()\n",
            },
            "folders import each other: dse.a, dse.b",
        ),
        ({"sim/card.py": ""}, "files share a name: boards.card, sim.card"),
        (
            {"sim/slot.py": "class Card:\n    pass\n\nprint(Card)\n"},
            "classes share a name: boards.card.Card, sim.slot.Card",
        ),
        (
            {"dse/cycles/slot.py": "class Card:\n    pass\n\nprint(Card)\n"},
            "classes share a name: dse.cycles.slot.Card, boards.card.Card",
        ),
        (
            {"dse/cost.py": SOUND["dse/cost.py"] + "\ndef forgotten():\n    pass\n"},
            "dse.cost: nothing reaches forgotten",
        ),
        (
            {
                "hw/conv/array.py": SOUND["hw/conv/array.py"]
                + "SHIFT_LATENCY = 2\n[SHIFT_LATENCY]\n"
            },
            "hw.conv.array: SHIFT_LATENCY is a number of timing outside of hw.isa.timing",
        ),
        (
            {"dse/cost.py": SOUND["dse/cost.py"] + "\nDRAIN_CYCLES = 4\nprint(DRAIN_CYCLES)\n"},
            "dse.cost: DRAIN_CYCLES is a number of timing outside of hw.isa.timing",
        ),
        (
            {"dse/cost.py": SOUND["dse/cost.py"] + "\nDRAIN_DELAY = (1 << 4) - 1\n[DRAIN_DELAY]\n"},
            "dse.cost: DRAIN_DELAY is a number of timing outside of hw.isa.timing",
        ),
    ],
)
def test_a_breach(tmp_path: Path, changes: dict[str, str], breach: str) -> None:
    assert any(line.startswith(breach) for line in breaches(house(tmp_path, changes), Exceptions()))


def test_a_function_that_a_constant_takes_is_reached(tmp_path: Path) -> None:
    text = "import typer\n\napp = typer.Typer()\n\n@app.callback()\ndef run(x=app):\n    pass\n"
    assert breaches(house(tmp_path, {"polymap/commands/app.py": text}), Exceptions()) == []
    lost = text.replace("@app.callback()", "@typer.run")
    found = breaches(house(tmp_path, {"polymap/commands/app.py": lost}), Exceptions())
    assert "polymap.commands.app: nothing reaches run" in found


def test_the_exact_model_has_the_names_of_its_units(tmp_path: Path) -> None:
    text = "class Fetch:\n    pass\n\nprint(Fetch)\n"
    changes = {"hw/fetch.py": text, "dse/cycles/flow.py": text}
    assert breaches(house(tmp_path, changes), Exceptions()) == []
    found = breaches(house(tmp_path, {**changes, "dse/cycles/walk.py": text}), Exceptions())
    names = "hw.fetch.Fetch, dse.cycles.flow.Fetch, dse.cycles.walk.Fetch"
    assert found == [f"classes share a name: {names}"]


def test_exceptions(tmp_path: Path) -> None:
    changes = {
        "sim/card.py": "",
        "dse/cost.py": SOUND["dse/cost.py"]
        + "\ndef forgotten():\n    pass\n\nDRAIN_CYCLES = 4\nprint(DRAIN_CYCLES)\n",
        "sim/script.py": "def start():\n    pass\n",
    }
    exceptions = Exceptions(
        entries={"sim.script": "started by hand"},
        mirrors={"sim.card": "models the card"},
        unused={"dse.cost:forgotten": "for users"},
        timing={"dse.cost:DRAIN_CYCLES": "of a drink"},
    )
    assert breaches(house(tmp_path, changes), exceptions) == []


def test_exceptions_that_let_nothing_pass(tmp_path: Path) -> None:
    exceptions = Exceptions(
        entries={"sim.gone": "started by hand"},
        mirrors={"boards.card": "of nothing"},
        unused={"dse.cost:cost": "it is used", "dse.cost:gone": "it was never there"},
        timing={"dse.cost:GONE_CYCLES": "it was never there"},
    )
    found = breaches(house(tmp_path, {}), exceptions)
    assert found == [
        f"{name}: an exception that is not needed"
        for name in ("sim.gone", "boards.card", "dse.cost:GONE_CYCLES", *exceptions.unused)
    ]
