"""The directory of an output notebook, and how a file gets into it.

Others may be able to write there too. So the directory is reached through descriptors that follow no link, nothing
that is there is believed because of its name, and a name is replaced, never what it leads to. A file appears under its
name whole or not at all.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, Optional

from ..errors import OutputNotWrittenError
from .notebooks import LONGEST_NAME
from .permissions import Permissions

_HAS_DESCRIPTORS = os.open in os.supports_dir_fd  # not on Windows
_DIRECTORY = (getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
              | getattr(os, "O_PATH", os.O_RDONLY))
_NEW = (os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        | getattr(os, "O_BINARY", 0))
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


@dataclass(frozen=True)
class AcceptedDirectory:
    """A directory, as it was when a request was accepted.

    Parameters
    ----------
    asked : str
        Its path as it was asked for.
    base : str
        The directory that output has to stay in, without links.
    path : str
        Where it really is: `base`, or below that.
    may_be_hidden : bool
        Whether output may go into hidden directories.
    device, inode, owner, group, mode : int
        What tells it from another one that is put in its place.
    longest_name : int
        How many bytes the name of a file in it may have.
    """

    asked: str
    base: str
    path: str
    may_be_hidden: bool
    device: int
    inode: int
    owner: int
    group: int
    mode: int
    longest_name: int

    @classmethod
    def of(cls, asked: str, base: str, may_be_hidden: bool) -> AcceptedDirectory:
        """Return what the directory at a path is now.

        Raises
        ------
        OSError
            There is none.
        """
        path = os.path.realpath(asked)
        there = os.stat(path)
        return cls(asked, base, path, may_be_hidden, there.st_dev, there.st_ino, there.st_uid,
                   there.st_gid, stat.S_IMODE(there.st_mode), _longest_name(path))

    def contains(self, path: str) -> bool:
        """Whether a path without links is one that output may go to."""
        return is_within(self.base, path) and (self.may_be_hidden or not is_hidden(self.base, path))

    def is_same(self, there: os.stat_result) -> bool:
        """Whether this is the directory still, or one as safe that its owner has made anew in its place."""
        return (there.st_dev, there.st_ino) == (self.device, self.inode) or (
            (there.st_uid, there.st_gid) == (self.owner, self.group) and not stat.S_IMODE(there.st_mode) & ~self.mode)

    def as_dict(self) -> Dict[str, Any]:
        """Return what another process needs to make the same object again."""
        return asdict(self)


def _longest_name(directory: str) -> int:
    try:
        return os.pathconf(directory, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        return LONGEST_NAME


def is_within(base: str, path: str) -> bool:
    """Whether a path, like `base` without links, is `base` or below it."""
    return path == base or path.startswith(os.path.join(base, ""))


def is_hidden(base: str, path: str) -> bool:
    """Whether there is a hidden part between `base` and a path below it."""
    return any(part.startswith(".") for part in path[len(base):].split(os.sep))


class OutputDirectory:
    """A directory to write into, for a ``with`` block.

    Parameters
    ----------
    accepted : AcceptedDirectory
        The directory.

    Raises
    ------
    OutputNotWrittenError
        On entering: it is not there any more, or it is another one.
    """

    def __init__(self, accepted: AcceptedDirectory) -> None:
        self._accepted = accepted
        self._descriptor: Optional[int] = None

    def __enter__(self) -> OutputDirectory:
        try:
            self._descriptor = _reach(self._accepted) if _HAS_DESCRIPTORS else None
        except OSError as error:
            raise _not_written(self._accepted.asked, error) from error
        return self

    def __exit__(self, *exception: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def write_new(self, data: bytes, names: Iterator[str], permissions: Permissions) -> str:
        """Write a file under the first of `names` that is free, and return that name.

        Any number of writers get different names, because the name is claimed by the link itself.

        Parameters
        ----------
        data : bytes
            The whole file.
        names : iterator of str
            The names to try.
        permissions : Permissions
            What may be done with it.

        Raises
        ------
        OutputNotWrittenError
            The system refused, with its reason.
        """
        scratch = _Scratch(self)
        try:
            scratch.write(data, permissions)
            return next(name for name in names if scratch.claim(name))
        except OSError as error:
            raise _not_written(self._accepted.asked, error) from error
        finally:
            scratch.remove()

    def replace(self, data: bytes, name: str, permissions: Permissions, source: Optional[str]) -> None:
        """Write a file under a name; whoever reads meanwhile sees the old file or the new one.

        Parameters
        ----------
        data : bytes
            The whole file.
        name : str
            The name, which need not be there. A link is replaced itself.
        permissions : Permissions
            What may be done with it, if that is no more than with the old file.
        source : str, optional
            A file that is not replaced under any name.

        Raises
        ------
        OutputNotWrittenError
            The system refused, with its reason, or something else is there by now.
        """
        scratch = _Scratch(self)
        try:
            old = self._replaceable(name, source)
            scratch.write(data, permissions if old is None else permissions.within(old.st_mode))
            scratch.replace(name)
        except OSError as error:
            raise _not_written(os.path.join(self._accepted.asked, name), error) from error
        finally:
            scratch.remove()

    def _replaceable(self, name: str, source: Optional[str]) -> Optional[os.stat_result]:
        """See to what others have put there since the path was accepted."""
        try:
            entry = self.look(name)
        except FileNotFoundError:
            return None
        there = os.stat(self.at(name), dir_fd=self._descriptor)
        if not stat.S_ISREG(there.st_mode):
            raise OSError("it is no longer a regular file")
        if source is not None and os.path.exists(source) and os.path.samestat(there, os.stat(source)):
            raise OSError("it has become the source notebook")
        if stat.S_ISLNK(entry.st_mode) and not self._accepted.contains(
                os.path.realpath(os.path.join(self._accepted.path, name))):
            raise OSError("it has become a link that leads out of the root directory or to a hidden file")
        return there

    def at(self, name: str) -> str:
        """Return the path of a name, for calls that take `dir_fd`."""
        return name if self._descriptor is not None else os.path.join(self._accepted.path, name)

    @property
    def descriptor(self) -> Optional[int]:
        """The descriptor, None where the system has none for directories."""
        return self._descriptor

    def look(self, name: str) -> os.stat_result:
        """Return what is under a name; a link is what it is."""
        return os.stat(self.at(name), dir_fd=self._descriptor, follow_symlinks=False)


class _Scratch:
    """A file with a name that nobody can guess, until it gets the right one."""

    def __init__(self, directory: OutputDirectory) -> None:
        self._directory = directory
        self._at = directory.at
        self._descriptor = directory.descriptor
        self._name = f".nbexec-{secrets.token_hex(16)}.tmp"
        self._there: Optional[os.stat_result] = None

    def write(self, data: bytes, permissions: Permissions) -> None:
        """Make the file, for its owner alone until all of it is there."""
        with open(os.open(self._at(self._name), _NEW, 0o600, dir_fd=self._descriptor), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            permissions.give(file.fileno())
            self._there = os.fstat(file.fileno())

    def claim(self, name: str) -> bool:
        """Give the file a name; false when that is taken."""
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
        """Give the file a name that may be taken."""
        os.replace(self._at(self._name), self._at(name), src_dir_fd=self._descriptor,
                   dst_dir_fd=self._descriptor)
        self._check(name)

    def _check(self, name: str) -> None:
        """See whether it is still the same file: who may rename files in the directory could have changed it."""
        assert self._there is not None
        there = self._directory.look(name)
        # Not by their inodes, which some file systems make up anew for each name.
        if not stat.S_ISREG(there.st_mode) or (there.st_uid, there.st_size) != (self._there.st_uid,
                                                                                self._there.st_size):
            raise OSError("another program has replaced it")

    def remove(self) -> None:
        """Remove what has no other name yet."""
        self._unlink(self._name)

    def _unlink(self, name: str) -> None:
        with suppress(OSError):  # renamed, or never made
            os.unlink(self._at(name), dir_fd=self._descriptor)


def _reach(accepted: AcceptedDirectory) -> int:
    """Open a directory step by step from its base, so that no link in between leads elsewhere."""
    descriptor = os.open(accepted.base, _DIRECTORY)
    try:
        for part in filter(None, accepted.path[len(accepted.base):].split(os.sep)):
            above, descriptor = descriptor, os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(above)
        there = os.fstat(descriptor)
        if not accepted.is_same(there):
            raise OSError("another user has replaced the directory")
        if not os.path.samestat(there, os.stat(accepted.asked)):
            raise OSError("the link to its directory now leads elsewhere")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _not_written(where: str, error: OSError) -> OutputNotWrittenError:
    return OutputNotWrittenError(f"the output notebook could not be written to {where}: {error.strerror or error}")
