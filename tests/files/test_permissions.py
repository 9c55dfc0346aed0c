"""What a file takes over of the permissions of another; output notebooks with them are in test_shared_folders.py."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Iterator

import pytest

from nbexec.files.permissions import Permissions

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give any group to a file")


@pytest.fixture()
def descriptor(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT, 0o600)
    yield descriptor
    os.close(descriptor)


def mode_of(descriptor: int) -> int:
    return stat.S_IMODE(os.fstat(descriptor).st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o400, 0o777])
def test_permissions_that_are_read_can_be_given(descriptor: int, tmp_path: Path, mode: int) -> None:
    os.fchmod(descriptor, mode)
    permissions = Permissions.of(descriptor)
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        permissions.give(other)
        assert mode_of(other) == permissions.mode == mode
        assert Permissions.of(other) == permissions
    finally:
        os.close(other)


def test_bits_that_make_a_file_run_as_its_owner_are_not_taken_over(descriptor: int) -> None:
    os.fchmod(descriptor, 0o6755)
    assert Permissions.of(descriptor).mode == 0o755


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_usual_ones_follow_the_umask(umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        assert Permissions.usual().mode == mode
    finally:
        assert os.umask(before) == umask, "it is as it was"


def test_a_limit_takes_rights_away_and_gives_none() -> None:
    permissions = Permissions(0o664, 7, b"list")
    assert permissions.within(0o600) == Permissions(0o600, 7, b"list")
    assert permissions.within(0o755) == Permissions(0o644, 7, b"list")


@needs_root
def test_the_group_is_given_too(descriptor: int) -> None:
    Permissions(0o640, 54_321).give(descriptor)
    assert (mode_of(descriptor), os.fstat(descriptor).st_gid) == (0o640, 54_321)


@pytest.mark.parametrize("mode, given", [
    (0o640, 0o600), (0o664, 0o644), (0o604, 0o600), (0o666, 0o666), (0o755, 0o755)])
def test_what_a_group_may_do_goes_to_no_other_group(descriptor: int, monkeypatch: pytest.MonkeyPatch, mode: int,
                                                    given: int) -> None:
    """Where the group cannot be given, nobody may do more than both that group and all others could."""
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    Permissions(mode, 54_321).give(descriptor)
    assert mode_of(descriptor) == given


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access lists need Linux")
def test_what_an_access_list_allows_goes_to_nobody_else(descriptor: int) -> None:
    Permissions(0o664, None, b"no access list").give(descriptor)
    assert mode_of(descriptor) == 0o600
