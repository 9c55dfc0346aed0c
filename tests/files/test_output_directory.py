"""How a file gets into the directory of the output; what a server makes of that is in test_shared_folders.py."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from nbexec.errors import OutputNotWrittenError
from nbexec.files import scratch_file
from nbexec.files.accepted_directory import AcceptedDirectory
from nbexec.files.output_directory import OutputDirectory
from nbexec.files.permissions import Permissions

MODE = Permissions(0o640)


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "out"
    folder.mkdir(parents=True)
    return folder


def accepted(folder: Path) -> AcceptedDirectory:
    return AcceptedDirectory.of(str(folder), os.path.realpath(folder.parent), may_be_hidden=False)


def names() -> Iterator[str]:
    return (f"a-{number}.ipynb" for number in itertools.count(1))


def write_new(folder: Path, data: bytes = b"new") -> str:
    with OutputDirectory(accepted(folder)) as directory:
        return directory.write_new(data, names(), MODE)


def replace(folder: Path, name: str = "a.ipynb", data: bytes = b"new", source: str = "/source.ipynb") -> None:
    with OutputDirectory(accepted(folder)) as directory:
        directory.replace(data, name, MODE, source)


def content(folder: Path) -> List[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_first_free_name_is_taken(folder: Path) -> None:
    for name in ("a-1.ipynb", "a-3.ipynb"):
        (folder / name).write_text("old")
    assert write_new(folder) == "a-2.ipynb"
    assert (folder / "a-2.ipynb").read_bytes() == b"new"
    assert stat.S_IMODE((folder / "a-2.ipynb").stat().st_mode) == 0o640
    assert content(folder) == ["a-1.ipynb", "a-2.ipynb", "a-3.ipynb"], "nothing else is left"


@pytest.mark.parametrize("has_links", [True, False])
def test_writers_at_the_same_time_get_different_names(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                      has_links: bool) -> None:
    if not has_links:
        monkeypatch.setattr(scratch_file.os, "link", _no_link)
    written: List[str] = []
    threads = [threading.Thread(target=lambda: written.append(write_new(folder, os.urandom(9)))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == content(folder) and len(set(written)) == 20
    assert len({(folder / name).read_bytes() for name in written}) == 20


def _no_link(*args: object, **options: object) -> None:
    raise PermissionError(1, "Operation not permitted")  # as on FAT


@pytest.mark.parametrize("there", ["a file", "a dangling link", "a directory", "a link to a file elsewhere"])
def test_a_name_that_is_taken_is_left_alone(folder: Path, tmp_path: Path, there: str) -> None:
    path, elsewhere = folder / "a-1.ipynb", tmp_path / "elsewhere"
    if there == "a directory":
        path.mkdir()
    elif there == "a file":
        path.write_text("old")
    else:
        path.symlink_to(elsewhere)
        if there != "a dangling link":
            elsewhere.write_text("old")
    assert write_new(folder) == "a-2.ipynb"
    assert not elsewhere.exists() or elsewhere.read_text() == "old"


def test_a_file_is_replaced_and_whoever_reads_the_old_one_keeps_it(folder: Path) -> None:
    (folder / "a.ipynb").write_text("old")
    with open(folder / "a.ipynb") as file:
        replace(folder)
        assert file.read() == "old"
    assert (folder / "a.ipynb").read_bytes() == b"new" and content(folder) == ["a.ipynb"]


def test_a_name_that_is_free_can_be_replaced_too(folder: Path) -> None:
    replace(folder)
    assert (folder / "a.ipynb").read_bytes() == b"new"


@pytest.mark.parametrize("old, expected", [(0o600, 0o600), (0o666, 0o640), (0o444, 0o440)])
def test_nobody_may_do_more_than_with_the_old_file(folder: Path, old: int, expected: int) -> None:
    (folder / "a.ipynb").write_text("old")
    (folder / "a.ipynb").chmod(old)
    replace(folder)
    assert stat.S_IMODE((folder / "a.ipynb").stat().st_mode) == expected


def test_a_link_is_replaced_itself(folder: Path) -> None:
    (folder.parent / "target").write_text("old")
    (folder / "a.ipynb").symlink_to(folder.parent / "target")
    replace(folder)
    assert not (folder / "a.ipynb").is_symlink() and (folder.parent / "target").read_text() == "old"


def test_a_link_that_leads_out_of_the_root_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old")
    (folder / "a.ipynb").symlink_to(tmp_path / "secret")
    with pytest.raises(OutputNotWrittenError, match="it has become a link that leads out of the root"):
        replace(folder)
    assert (folder / "a.ipynb").is_symlink() and (tmp_path / "secret").read_text() == "old"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["a directory", "a FIFO"])
def test_only_a_file_is_replaced(folder: Path, make: Callable[..., None]) -> None:
    make(folder / "a.ipynb")
    with pytest.raises(OutputNotWrittenError, match="it is no longer a regular file"):
        replace(folder)
    assert content(folder) == ["a.ipynb"]


@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard link", "symbolic link"])
def test_the_source_is_not_replaced_under_any_name(folder: Path, link: Callable[..., None]) -> None:
    (folder / "source.ipynb").write_text("source")
    link(folder / "source.ipynb", folder / "a.ipynb")
    with pytest.raises(OutputNotWrittenError, match="it has become the source notebook"):
        replace(folder, source=str(folder / "source.ipynb"))
    assert (folder / "source.ipynb").read_text() == "source"


def test_a_directory_that_was_removed_is_told_of(folder: Path) -> None:
    there = accepted(folder)
    folder.rmdir()
    with pytest.raises(OutputNotWrittenError, match="No such file or directory"), OutputDirectory(there):
        pass


def test_a_directory_that_was_made_anew_by_its_owner_will_do(folder: Path) -> None:
    there = accepted(folder)
    folder.rename(folder.with_name("moved"))
    folder.mkdir()
    with OutputDirectory(there) as directory:
        assert directory.write_new(b"new", names(), MODE) == "a-1.ipynb"
    assert content(folder) == ["a-1.ipynb"] and content(folder.with_name("moved")) == []


def test_a_directory_that_others_can_write_to_by_now_is_not_the_same(folder: Path) -> None:
    folder.chmod(0o755)
    there = accepted(folder)
    folder.rename(folder.with_name("moved"))
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(OutputNotWrittenError, match="replaced the directory"), OutputDirectory(there):
        pass


def test_a_link_in_the_place_of_the_directory_is_not_followed(folder: Path, tmp_path: Path) -> None:
    there = accepted(folder)
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputNotWrittenError), OutputDirectory(there):
        pass
    assert content(tmp_path / "elsewhere") == []


def test_the_directory_that_was_entered_is_written_to_even_if_it_is_moved(folder: Path, tmp_path: Path) -> None:
    with OutputDirectory(accepted(folder)) as directory:
        folder.rename(tmp_path / "moved")
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
        directory.write_new(b"new", names(), MODE)
    assert content(tmp_path / "moved") == ["a-1.ipynb"] and content(tmp_path / "elsewhere") == []


def test_what_cannot_be_written_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.ipynb").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch_file.os, "fsync", full)
    with pytest.raises(OutputNotWrittenError, match="No space left on device"):
        write_new(folder)
    with pytest.raises(OutputNotWrittenError, match="No space left on device"):
        replace(folder)
    assert content(folder) == ["a.ipynb"] and (folder / "a.ipynb").read_text() == "old"
