"""What runners note for the next server; what that makes of it is in test_records.py."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from nbexec.files.end_notes import Note, Notes

FACT = {"error": None, "timestamp": 5.0, "progress": "2/2", "output_name": "a-Executed1.ipynb"}
HOLD = """import sys
from nbexec.files.end_notes import Note
note = Note(sys.argv[1])
print("held", flush=True)
input()"""


@pytest.fixture()
def notes(tmp_path: Path) -> Notes:
    return Notes(str(tmp_path / "notes"))


@pytest.fixture()
def runner(notes: Notes) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun the note "one": a lock is not seen by the process that has it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, notes.path_of("one")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.communicate("\n")


def test_what_is_noted_can_be_read(notes: Notes) -> None:
    note = Note(notes.path_of("one"))
    assert notes.names() == ["one"] and notes.read("one") is None, "it has only begun"
    note.write(FACT)
    assert notes.read("one") == FACT
    note.close()
    note.close()
    assert notes.read("one") == FACT


def test_a_note_is_its_user_s_alone(notes: Notes) -> None:
    Note(notes.path_of("one")).write(FACT)
    path = Path(notes.path_of("one"))
    assert [stat.S_IMODE(found.stat().st_mode) for found in (path, path.parent)] == [0o600, 0o700]


def test_without_a_path_nothing_is_noted() -> None:
    note = Note(None)
    note.write(FACT)
    note.close()


def test_a_note_that_cannot_be_written_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    note = Note(str(tmp_path / "file" / "one"))
    note.write(FACT)
    note.close()
    assert "Cannot write the note" in caplog.text


def test_a_note_is_held_as_long_as_its_runner_lives(notes: Notes, runner: subprocess.Popen[str]) -> None:
    assert notes.is_held("one")
    assert not notes.is_held("another")
    runner.kill()
    runner.wait()
    assert not notes.is_held("one")


def test_what_is_removed_is_gone(notes: Notes) -> None:
    Note(notes.path_of("one")).write(FACT)
    for _ in range(2):
        notes.remove("one")
        assert notes.names() == [] and notes.read("one") is None


def test_a_folder_that_was_taken_away_is_made_anew(notes: Notes) -> None:
    os.rename(os.path.dirname(notes.path_of("one")), os.path.dirname(notes.path_of("one")) + "-away")
    Note(notes.path_of("one")).write(FACT)
    assert notes.read("one") == FACT


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes").chmod(mode)
    with pytest.raises(OSError, match="open to others"):
        Notes(str(tmp_path / "notes"))
