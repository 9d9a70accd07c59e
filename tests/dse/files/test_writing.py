"""Files change all together or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from dse.files.writing import write, writing
from dse.process.interrupt import deferred


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an old file."""
    (tmp_path / "a").write_text("old")
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_change_at_the_end(folder: Path) -> None:
    with writing(folder) as files:
        files.text("a", "new")
        files.json("b", {"c": 1})
        assert (folder / "a").read_text() == "old"
        assert not (folder / "b").exists()
    assert contents(folder) == {"a": "new", "b": '{\n "c": 1\n}\n'}


def test_absent(folder: Path) -> None:
    with writing(folder) as files:
        files.text("b", "new")
        files.absent("a")
        files.absent("c")
        assert contents(folder)["a"] == "old"
    assert contents(folder) == {"b": "new"}


def test_absent_is_gone_with_its_folder(folder: Path) -> None:
    for name in ("one", "two"):
        write(folder / name / "a", "old")
    write(folder / "two" / "mine", "kept")
    with writing(folder) as files:
        files.text("a", "new")
        for name in ("a", "one/a", "two/a", "three/a"):
            files.absent(name)
    assert (folder / "a").read_text() == "new"
    assert [path.name for path in sorted(folder.rglob("*"))] == ["a", "two", "mine"]


def test_folder_is_made(tmp_path: Path) -> None:
    write(tmp_path / "in" / "there" / "a", "text")
    assert (tmp_path / "in" / "there" / "a").read_text() == "text"


def test_modes_are_the_users(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with writing(tmp_path) as files:
            files.text("a", "")
            files.text("run", "", executable=True)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "run")] == [0o640, 0o750]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_changes_if_the_block_fails(folder: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), writing(folder) as files:
        files.text("a", "new")
        with files.open("b") as stream:
            stream.write(b"half")
            raise error
    assert contents(folder) == {"a": "old"}


def test_full_disk(folder: Path) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as caught, writing(folder) as files:
            files.text("a", "new")
    assert caught.value.filename == str(folder / "a")
    assert contents(folder) == {"a": "old"}


def test_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / "b").mkdir()
    with pytest.raises(IsADirectoryError) as caught, writing(folder) as files:
        files.text("a", "new")
        files.text("b", "new")
    assert caught.value.filename == str(folder / "b")
    assert (folder / "a").read_text() == "old"


def test_interrupt_while_files_get_their_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), writing(folder) as files:
        files.text("a", "new")
        files.text("b", "new")
    assert contents(folder) == {"a": "new", "b": "new"}


def test_deferred_signals_are_not_lost() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), deferred():
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
