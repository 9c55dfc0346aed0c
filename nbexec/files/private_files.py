"""Folders and files that belong to this user alone, even in directories where everybody can create files.

In a shared directory, a path is only a name: another user may have replaced what it led to. So a folder is held open
by a descriptor, its content is reached through that, and code that needs the path checks before or afterwards that it
still leads there. A temporary folder is locked while one of its processes is alive; unlocked ones are removed.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from typing import List, Optional

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("nbexec")
# The path of a Unix socket may have 104 (macOS) to 108 (Linux) bytes; this leaves room for its name, and for the
# folder of a runner.
_LONGEST = 60  # bytes
_TEMPORARY = re.compile(r"nbexec-[a-z0-9_]{8}\.tmp")
_SPOOL = re.compile(r"nbexec-events-[a-z0-9_]{8}")
_UNLINKED = 60.0  # seconds after which a spool file that still has a name belongs to a killed process
_ENDING = 1.0  # seconds for which a killed process may still hold its files
_PAUSE = 0.02  # seconds between checks
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NOBODY_ELSE = 0o077
_OTHERS_WRITE = 0o022


class NotPrivateError(OSError):
    """A file or folder does not belong to this user alone."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(0, f"{path} {reason}")


class PrivateFolder:
    """A folder that only its user can enter.

    Parameters
    ----------
    path : str
        Its path.
    descriptor : int
        Its descriptor.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def is_intact(self) -> bool:
        """Whether the path still leads to this folder, and nobody else can enter it."""
        try:
            there = os.lstat(self.path)
            return os.path.samestat(there, os.fstat(self.descriptor)) and not _problem(there, _NOBODY_ELSE)
        except OSError:
            return False

    @property
    def sure_path(self) -> str:
        """A path for this process and those that inherit the descriptor, if possible one that nobody can exchange."""
        path = f"/proc/self/fd/{self.descriptor}"
        return path if os.path.isdir(path) else self.path

    def names(self) -> List[str]:
        """Return the names of what is in it."""
        return os.listdir(self.descriptor)

    def make_folder(self, name: str) -> PrivateFolder:
        """Make a folder in it."""
        os.mkdir(name, 0o700, dir_fd=self.descriptor)
        return PrivateFolder(os.path.join(self.path, name), os.open(name, _FOLDER, dir_fd=self.descriptor))

    def create_file(self, name: str) -> int:
        """Return the descriptor of a new file in it."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self.descriptor)

    def open_file(self, name: str, flags: int = os.O_RDWR) -> int:
        """Return the descriptor of a file in it that is this user's alone.

        Raises
        ------
        OSError
            There is none, or it is something else.
        """
        return _checked(os.path.join(self.path, name),
                        os.open(name, flags | _NO_WAIT, 0o600, dir_fd=self.descriptor))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, as far as that is possible."""
        with suppress(OSError, RecursionError):
            if stat.S_ISDIR(os.lstat(name, dir_fd=self.descriptor).st_mode):
                self._empty(name)
            _remove(name, self.descriptor)

    def _empty(self, name: str) -> None:
        for _, folders, files, descriptor in os.fwalk(name, topdown=False, dir_fd=self.descriptor):
            for entry in [*files, *folders]:
                with suppress(OSError):
                    _remove(entry, descriptor)

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def end(self) -> None:
        """Let go of it, and remove it unless another process holds it for longer than it takes to end."""
        self.close()
        deadline = time.monotonic() + _ENDING
        while not remove_if_dead(self.path) and os.path.lexists(self.path) and time.monotonic() < deadline:
            time.sleep(_PAUSE)


def _remove(name: str, descriptor: int) -> None:
    """Remove a file, a link or an empty folder."""
    is_folder = stat.S_ISDIR(os.lstat(name, dir_fd=descriptor).st_mode)
    (os.rmdir if is_folder else os.unlink)(name, dir_fd=descriptor)


# -- temporary folders ----------------------------------------------------------------------------


def make_temporary_folder() -> PrivateFolder:
    """Make a folder for what lives as long as a process, Unix sockets included; it is locked.

    Raises
    ------
    OSError
        There is no place for one.
    """
    while True:
        path = tempfile.mkdtemp(prefix="nbexec-", suffix=".tmp", dir=_temporary_directory())
        folder = PrivateFolder(path, os.open(path, _FOLDER))
        if _lock(folder.descriptor, exclusive=False) and folder.is_intact():
            return folder
        folder.close()  # somebody who removes dead folders has just had it


def _temporary_directory() -> str:
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST else "/tmp"


def remove_dead_folders() -> None:
    """Remove what processes of this user have left that were killed, and nothing that anybody holds."""
    directory = _temporary_directory()
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if _TEMPORARY.fullmatch(name) and remove_if_dead(path):
            _log.info("Removing %s, left behind by a killed process.", path)
        elif _SPOOL.fullmatch(name):
            _remove_spool(path)


def remove_if_dead(path: str) -> bool:
    """Remove a temporary folder of this user that nobody holds; return whether it was one."""
    with suppress(OSError):
        folder = PrivateFolder(path, os.open(path, _FOLDER))
        try:
            if not folder.is_intact() or not _lock(folder.descriptor, exclusive=True):
                return False
            for name in folder.names():
                folder.remove(name)
            os.rmdir(path)
            return True
        finally:
            folder.close()
    return False


def _remove_spool(path: str) -> None:
    """Remove a temporary file of events that has kept its name: it loses that at once when it is made."""
    with suppress(OSError):
        found = os.lstat(path)
        if (stat.S_ISREG(found.st_mode) and not _problem(found, _NOBODY_ELSE)
                and found.st_mtime < time.time() - _UNLINKED):
            os.unlink(path)


def _lock(descriptor: int, exclusive: bool) -> bool:
    """Lock a folder at once, which cleaners of the system heed too; return whether nobody has kept us from it."""
    if fcntl is None:
        return not exclusive
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: who cannot know leaves it alone
        return not exclusive


# -- files and folders that stay ------------------------------------------------------------------


def open_folder(path: str) -> PrivateFolder:
    """Return the folder at `path`, which is made if it is not there.

    Raises
    ------
    OSError
        It is not this user's alone, and cannot be.
    """
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    return PrivateFolder(path, _checked(path, _open_found(path, _FOLDER), is_folder=True))


def check_file(path: str) -> None:
    """See to it that nobody else can read or write a file, if there is one.

    Raises
    ------
    OSError
        It is not this user's, or something else than a file, or others could have written to it.
    """
    with suppress(FileNotFoundError):
        os.close(_checked(path, _open_found(path, os.O_RDONLY | _NO_WAIT)))


def _open_found(path: str, flags: int) -> int:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        raise NotPrivateError(path, "is a link; use the path that it points to")
    if flags == _FOLDER and not stat.S_ISDIR(mode):
        raise NotPrivateError(path, "is not a folder")
    return os.open(path, flags)


def check_parent(path: str) -> None:
    """Raise NotPrivateError if others can make files beside `path`, or take away what is there."""
    folder = os.path.dirname(path)
    found = os.stat(folder)
    if found.st_uid not in (0, _user()):
        raise NotPrivateError(folder, f"belongs to the user with id {found.st_uid}")
    if found.st_mode & _OTHERS_WRITE:
        raise NotPrivateError(folder, f"is writable by others (mode {stat.S_IMODE(found.st_mode):o}); "
                                      "use a folder that only you can write to")


def _checked(path: str, descriptor: int, is_folder: bool = False) -> int:
    """Return the descriptor, of what others cannot read any more; close it if they could have written there."""
    try:
        found = os.fstat(descriptor)
        if not is_folder and not stat.S_ISREG(found.st_mode):
            raise NotPrivateError(path, "is not a regular file")
        if not is_folder and found.st_nlink > 1:
            raise NotPrivateError(path, "has a second name (hard link), through which others may reach it")
        problem = _problem(found, _OTHERS_WRITE)
        if problem:
            raise NotPrivateError(path, problem)
        if found.st_mode & _NOBODY_ELSE and os.name == "posix":
            os.fchmod(descriptor, found.st_mode & 0o700)
            _log.warning("%s could be read by others (mode %o); its permissions are now restricted to you.", path,
                         stat.S_IMODE(found.st_mode))
        return descriptor
    except OSError:
        os.close(descriptor)
        raise


def _problem(found: os.stat_result, forbidden: int) -> str:
    """Return why a file or folder is not this user's alone, or nothing."""
    if os.name != "posix":
        return ""
    if found.st_uid != _user():
        return f"belongs to the user with id {found.st_uid}"
    if found.st_mode & forbidden:
        return (f"is open to others (mode {stat.S_IMODE(found.st_mode):o}); "
                "look whether it is what you think, then take their rights away")
    return ""


def _user() -> Optional[int]:
    return os.geteuid() if os.name == "posix" else None
