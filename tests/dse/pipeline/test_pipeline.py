"""``polymap pipeline`` as a user meets it."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from polymap.commands.app import app


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["pipeline", *arguments], prog_name="polymap")


def test_json_has_the_promised_keys() -> None:
    result = _invoke("alexnet", "--device", "kcu1500", "--json")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    promised = {"R1", "R2", "gops", "seconds", "compression_percent", "optimum_proved", "stages"}
    assert promised <= set(data)
    assert data["R1"] >= 0.955
    assert data["gops"] == pytest.approx(data["R1"] * 2 * 0.23 * 5520)
    assert data["optimum_proved"] is True
    assert data["seconds"] > 0
    assert [stage["name"] for stage in data["stages"]] == [f"CONV{n}" for n in range(1, 6)]
    for stage in data["stages"]:
        assert stage["ram"] == sum(stage["ram_by_buffer"].values())
        assert 0 < stage["utilisation"] <= 1
        assert stage["cycles"] <= data["cycles"]
    assert sum(stage["dsp"] for stage in data["stages"]) == data["dsp"]["used"] <= 5520
    assert sum(stage["ram"] for stage in data["stages"]) == data["ram"]["used"] <= 4320


def test_tables_for_people() -> None:
    result = _invoke("alexnet", "--device", "ku060", "--bits", "8", "--per-dsp", "2")
    assert result.exit_code == 0
    for text in ("CONV5", "R1 0.9", "optimum proved", "DSP blocks bind", "windows", "GOP/s"):
        assert text in result.stdout


def test_exact_method_without_windows() -> None:
    result = _invoke("alexnet", "--alpha", "0", "--beta", "0", "--method", "exact", "--json")
    data = json.loads(result.stdout)
    assert data["method"] == "exact"
    assert data["compression_percent"] is None
    assert data["optimum_proved"] is True


def test_rows_and_no_memory_limit() -> None:
    result = _invoke(
        "alexnet", "--device", "vx690t", "--granularity", "row", "--no-bram-limit", "--json"
    )
    assert round(json.loads(result.stdout)["R1"], 3) == 0.951


def test_files(tmp_path: Path) -> None:
    plot, out = tmp_path / "balance.html", tmp_path / "new" / "out"
    result = _invoke("alexnet", "--plot", str(plot), "--out", str(out), "--json")
    assert result.exit_code == 0
    assert json.loads((out / "pipeline.json").read_text()) == json.loads(result.stdout)
    for page in (plot, out / "pipeline.html"):
        text = page.read_text()
        assert "CONV3" in text
        assert "weight buffer" in text
        assert 'src="http' not in text  # opens without a network


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet"], "network 'lenet': neither one of"),
        (["alexnet", "--device", "u200"], "device 'u200': unknown; choose one of"),
        (["alexnet", "--bits", "7"], "bits must be 8 or 16, not 7"),
        (["alexnet", "--per-dsp", "2"], "two products per DSP need 8 bits or fewer"),
        (["alexnet", "--dsp", "3"], "needs at least 5 DSP blocks, the budget is 3"),
        (["alexnet", "--dsp", "0"], "Invalid value for '--dsp': Input should be greater"),
        (["alexnet", "--bram", "0"], "Invalid value for '--bram': Input should be greater"),
        (["alexnet", "--batch", "0", "--simulate", "2"], "Invalid value for '--batch': Input"),
        (["alexnet", "--bram", "100"], "needs at least 148 BRAM36"),
        (["alexnet", "--mhz", "0"], "the clock must be a positive number of MHz"),
        (["alexnet", "--mhz", "nan"], "the clock must be a positive number of MHz"),
        (["alexnet", "--alpha", "-1"], "alpha must be a number of 0 or more"),
        (["alexnet", "--alpha", "0"], "use --method exact"),
        (["alexnet", "--plot", "/dev/null/x.html"], "plot /dev/null/x.html: cannot"),
        (["alexnet", "--out", "/dev/null/x"], "directory /dev/null/x: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_code_two(arguments: list[str], message: str) -> None:
    result = _invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("polymap pipeline: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
