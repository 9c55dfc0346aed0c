"""Folders and files that are one user's alone; what another user can try is in test_neighbours.py."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
from helpers import wait_for

from nbexec.files import private_files
from nbexec.files.private_files import (
    PrivateFolder,
    check_file,
    check_parent,
    make_temporary_folder,
    open_folder,
    remove_dead_folders,
    remove_if_dead,
)

HOLD = ("from nbexec.files.private_files import make_temporary_folder\n"
        "folder = make_temporary_folder()\nprint(folder.path, flush=True)\ninput()")


def mode_of(path: object) -> int:
    return stat.S_IMODE(os.lstat(str(path)).st_mode)


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The place of temporary folders, whose path is short because those of sockets have to be."""
    with tempfile.TemporaryDirectory(prefix="place", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture()
def held(place: Path) -> Iterator[PrivateFolder]:
    folder = make_temporary_folder()
    yield folder
    folder.close()


# -- a folder -------------------------------------------------------------------------------------


def test_a_temporary_folder_is_new_short_and_private(place: Path, held: PrivateFolder) -> None:
    assert Path(held.path).parent == place and mode_of(held.path) == 0o700
    assert held.is_intact() and held.names() == []
    assert len(held.path) < 100, "the path of a socket in it has to be short"


def test_where_the_path_is_long_another_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = make_temporary_folder()
    assert folder.path.startswith("/tmp/nbexec-")
    folder.end()
    assert not os.path.exists(folder.path)


def test_what_is_made_in_a_folder_is_private(held: PrivateFolder) -> None:
    umask = os.umask(0)
    try:
        os.close(held.create_file("file"))
        held.make_folder("folder").close()
    finally:
        os.umask(umask)
    assert {name: mode_of(f"{held.path}/{name}") for name in held.names()} == {"file": 0o600, "folder": 0o700}
    with pytest.raises(FileExistsError):
        held.create_file("file")


def test_a_folder_is_reached_when_its_path_leads_elsewhere(held: PrivateFolder) -> None:
    os.close(held.create_file("file"))
    os.rename(held.path, held.path + "-moved")
    os.mkdir(held.path, 0o700)
    assert not held.is_intact()
    assert held.names() == ["file"]
    held.remove("file")
    assert held.names() == []


def test_a_folder_that_others_can_enter_is_not_intact(held: PrivateFolder) -> None:
    os.chmod(held.path, 0o755)
    assert not held.is_intact()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc here")
def test_the_sure_path_leads_to_the_folder_itself(held: PrivateFolder) -> None:
    os.close(held.create_file("file"))
    os.rename(held.path, held.path + "-moved")
    assert os.listdir(held.sure_path) == ["file"]


@pytest.mark.parametrize("make", [
    lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/passwd"), lambda path: os.mkfifo(path, 0o600),
    lambda path: (path.touch(), os.link(path, f"{path}-too"))], ids=["a folder", "a link", "a pipe", "two names"])
def test_only_a_file_of_its_own_is_opened_as_one(held: PrivateFolder, make: Callable[[Path], None]) -> None:
    make(Path(held.path) / "file")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(OSError):
        held.open_file("file")
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_whatever_is_in_a_folder_can_be_removed(held: PrivateFolder) -> None:
    path = Path(held.path)
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").touch()
    (path / "a" / "outside").symlink_to("/etc")
    (path / "link").symlink_to("/etc/passwd")
    os.mkfifo(path / "pipe")
    for name in [*held.names(), "not there"]:
        held.remove(name)
    assert held.names() == []
    assert os.path.exists("/etc/passwd")


# -- temporary folders that are left --------------------------------------------------------------


@pytest.fixture()
def other(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a temporary folder in the same place."""
    process = subprocess.Popen([sys.executable, "-c", HOLD], env={**os.environ, "TMPDIR": str(place)}, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.communicate()


def test_a_folder_is_removed_when_nobody_holds_it_any_more(place: Path, other: subprocess.Popen[str]) -> None:
    assert other.stdout is not None
    path = other.stdout.readline().strip()
    Path(path, "socket").touch()
    remove_dead_folders()
    assert not remove_if_dead(path) and os.path.isdir(path)
    other.kill()
    other.wait()
    remove_dead_folders()
    assert not os.path.exists(path)


def test_only_dead_folders_of_ours_are_removed(place: Path, held: PrivateFolder) -> None:
    kept = [place / "nbexec-abcdefgh", place / "nbexec-abc.tmp", place / "other-abcdefgh.tmp"]
    for path in kept:
        path.mkdir(mode=0o700)
    (place / "nbexec-abcdefgh.tmp").mkdir(mode=0o755)
    (place / "nbexec-ABCDEFGH.tmp").touch()
    (place / "nbexec-bcdefghi.tmp").symlink_to(kept[0])
    (place / "nbexec-cdefghij.tmp").mkdir(mode=0o700)
    there = set(place.iterdir())
    remove_dead_folders()
    assert there - set(place.iterdir()) == {place / "nbexec-cdefghij.tmp"}


def test_old_spools_are_removed_and_new_ones_are_not(place: Path) -> None:
    old, new = place / "nbexec-events-abcdefgh", place / "nbexec-events-bcdefghi"
    for path in (old, new):
        path.touch(0o600)
    os.utime(old, (time.time() - 2 * private_files._UNLINKED,) * 2)
    remove_dead_folders()
    assert list(place.iterdir()) == [new]


def test_who_lets_go_last_removes_the_folder(place: Path, held: PrivateFolder) -> None:
    os.close(held.create_file("file"))
    second = PrivateFolder(held.path, os.dup(held.descriptor))
    held.end()
    assert os.path.isdir(held.path), "somebody holds it"
    second.end()
    wait_for(lambda: not os.path.exists(held.path))


# -- what stays -----------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    for _ in range(2):
        folder = open_folder(str(tmp_path / "notes"))
        assert mode_of(folder.path) == 0o700 and folder.is_intact()
        folder.close()


def test_what_others_could_only_read_is_made_private(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    (tmp_path / "file").touch(0o644)
    (tmp_path / "folder").chmod(0o755)
    (tmp_path / "file").chmod(0o644)
    open_folder(str(tmp_path / "folder")).close()
    check_file(str(tmp_path / "file"))
    assert (mode_of(tmp_path / "folder"), mode_of(tmp_path / "file")) == (0o700, 0o600)
    assert caplog.text.count("could be read by others") == 2


@pytest.mark.parametrize("make, reason", [
    (lambda path: path.symlink_to("/etc/passwd"), "is a link"), (lambda path: path.mkdir(), "is not a regular file"),
    (lambda path: os.mkfifo(path), "is not a regular file"),
    (lambda path: path.touch() or path.chmod(0o666), "open to others"),
    (lambda path: path.touch() or os.link(path, f"{path}-too"), "second name")],
    ids=["a link", "a folder", "a pipe", "writable", "two names"])
def test_a_file_that_is_not_as_it_was_made_is_refused(tmp_path: Path, make: Callable[[Path], None],
                                                      reason: str) -> None:
    make(tmp_path / "file")
    with pytest.raises(OSError, match=reason):
        check_file(str(tmp_path / "file"))


def test_a_file_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    check_file(str(tmp_path / "file"))


@pytest.mark.parametrize("make, reason", [
    (lambda path: path.symlink_to("/tmp"), "is a link"), (lambda path: path.touch(), "is not a folder"),
    (lambda path: path.mkdir() or path.chmod(0o730), "open to others")], ids=["a link", "a file", "writable"])
def test_a_folder_that_is_not_as_it_was_made_is_refused(tmp_path: Path, make: Callable[[Path], None],
                                                        reason: str) -> None:
    make(tmp_path / "folder")
    with pytest.raises(OSError, match=reason):
        open_folder(str(tmp_path / "folder"))


@pytest.mark.parametrize("mode, is_private", [(0o755, True), (0o700, True), (0o775, False), (0o1777, False)])
def test_a_place_where_others_can_make_files_is_refused(tmp_path: Path, mode: int, is_private: bool) -> None:
    tmp_path.chmod(mode)
    try:
        check_parent(str(tmp_path / "file"))
    except OSError as error:
        assert not is_private and f"mode {mode:o}" in str(error)
    else:
        assert is_private
