"""A file that appears under its name whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from typing import Optional

from .open_directory import OpenDirectory
from .permissions import Permissions

_NEW = (os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        | getattr(os, "O_BINARY", 0))
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


def scratch_name() -> str:
    """Return a name that nobody can guess."""
    return f".nbexec-{secrets.token_hex(16)}.tmp"


class ScratchFile:
    """A file with an unguessable name, until it gets the right one.

    Parameters
    ----------
    directory : OpenDirectory
        Where it is created.
    name : str, optional
        Its name until then, if another process must know it.
    """

    def __init__(self, directory: OpenDirectory, name: Optional[str] = None) -> None:
        self._directory = directory
        self._at = directory.at
        self._descriptor = directory.descriptor
        self._name = name or scratch_name()
        self._there: Optional[os.stat_result] = None

    def write(self, data: bytes, permissions: Permissions) -> None:
        """Write the file; only its owner can read it until it is complete."""
        with open(os.open(self._at(self._name), _NEW, 0o600, dir_fd=self._descriptor), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            permissions.give(file.fileno())
            self._there = os.fstat(file.fileno())

    def claim(self, name: str) -> bool:
        """Give the file a name; return False if the name is taken."""
        try:
            os.link(self._at(self._name), self._at(name), src_dir_fd=self._descriptor,
                    dst_dir_fd=self._descriptor, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._claim_without_link(name)
        self._check(name)
        return True

    def _claim_without_link(self, name: str) -> bool:
        """Do the same on a file system that has no hard links (FAT, some network mounts)."""
        try:
            os.close(os.open(self._at(name), _NEW, 0o600, dir_fd=self._descriptor))
        except FileExistsError:
            return False
        try:
            self.replace(name)
        except OSError:
            self._unlink(name)  # the name was claimed by an empty file
            raise
        return True

    def replace(self, name: str) -> None:
        """Give the file a name, replacing a file that has it."""
        os.replace(self._at(self._name), self._at(name), src_dir_fd=self._descriptor,
                   dst_dir_fd=self._descriptor)
        self._check(name)

    def _check(self, name: str) -> None:
        """Check that it is still the same file: anybody who can rename files in the directory may have replaced it."""
        assert self._there is not None
        there = self._directory.look(name)
        # Inodes are not compared, because some file systems invent one for each name.
        if not stat.S_ISREG(there.st_mode) or (there.st_uid, there.st_size) != (self._there.st_uid,
                                                                                self._there.st_size):
            raise OSError("another program has replaced it")

    def remove(self) -> None:
        """Remove the file if it has not got its name."""
        self._unlink(self._name)

    def _unlink(self, name: str) -> None:
        with suppress(OSError):  # renamed, or never created
            os.unlink(self._at(name), dir_fd=self._descriptor)
