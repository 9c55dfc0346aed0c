"""The directory of an output notebook, as it was when its request was accepted.

Other users may replace it before there is any output.
"""

from __future__ import annotations

import os
import stat
from dataclasses import asdict, dataclass
from typing import Any, Dict

from .output_names import LONGEST_NAME

_DIRECTORY = (getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
              | getattr(os, "O_PATH", os.O_RDONLY))


@dataclass(frozen=True)
class AcceptedDirectory:
    """A directory for output, as it was when a request was accepted.

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
        What distinguishes it from a replacement.
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
        """Return the directory at a path.

        Raises
        ------
        OSError
            It does not exist.
        """
        path = os.path.realpath(asked)
        there = os.stat(path)
        return cls(asked, base, path, may_be_hidden, there.st_dev, there.st_ino, there.st_uid,
                   there.st_gid, stat.S_IMODE(there.st_mode), _longest_name(path))

    def contains(self, path: str) -> bool:
        """Whether a path without links is one that output may go to."""
        return is_within(self.base, path) and (self.may_be_hidden or not is_hidden(self.base, path))

    def is_same(self, there: os.stat_result) -> bool:
        """Whether this is still the directory, or an equally safe one with which its owner has replaced it."""
        return (there.st_dev, there.st_ino) == (self.device, self.inode) or (
            (there.st_uid, there.st_gid) == (self.owner, self.group) and not stat.S_IMODE(there.st_mode) & ~self.mode)

    def open(self) -> int:
        """Open the directory step by step from its base, so that no link in between leads elsewhere.

        Raises
        ------
        OSError
            It no longer exists, or was replaced.
        """
        descriptor = os.open(self.base, _DIRECTORY)
        try:
            for part in filter(None, self.path[len(self.base):].split(os.sep)):
                above, descriptor = descriptor, os.open(part, _DIRECTORY, dir_fd=descriptor)
                os.close(above)
            there = os.fstat(descriptor)
            if not self.is_same(there):
                raise OSError("another user has replaced the directory")
            if not os.path.samestat(there, os.stat(self.asked)):
                raise OSError("the link to its directory now leads elsewhere")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def as_dict(self) -> Dict[str, Any]:
        """Return the fields, from which another process recreates the object."""
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
