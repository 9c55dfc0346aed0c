"""The permissions of a file: its mode, its group and its access control list.

They are read and set by descriptor only, because a path may lead to another file by then.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Optional

_ACL = "system.posix_acl_access"
_NOT_THERE = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_MODES = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # of file systems that have none, such as FAT


@dataclass(frozen=True)
class Permissions:
    """The permissions of a file.

    Parameters
    ----------
    mode : int
        The permission bits.
    group : int, optional
        The group of the file; None for the default group of new files.
    acl : bytes, optional
        The access control list, if there is one (Linux).
    """

    mode: int
    group: Optional[int] = None
    acl: Optional[bytes] = None

    @classmethod
    def of(cls, descriptor: int) -> Permissions:
        """Return the permissions of an open file."""
        there = os.fstat(descriptor)
        return cls(stat.S_IMODE(there.st_mode) & 0o777, there.st_gid, _acl(descriptor))

    @classmethod
    def usual(cls) -> Permissions:
        """Return the permissions of new files of this process."""
        umask = os.umask(0o077)
        os.umask(umask)
        return cls(0o666 & ~umask)

    def within(self, mode: int) -> Permissions:
        """Return these permissions without those that `mode` lacks."""
        return replace(self, mode=self.mode & mode)

    def give(self, descriptor: int) -> None:
        """Set them on an open file of this process; a permission that cannot be set for the group is set for nobody.

        Raises
        ------
        OSError
            The system refuses.
        """
        if not hasattr(os, "fchmod"):
            return  # Windows, where a file has the permissions of its folder
        mode = self.mode
        has_group = self.group is None or _give_group(descriptor, self.group)
        if not has_group:
            mode &= 0o700 | _shared_by_group_and_others(mode)
        if not _give_acl(descriptor, self.acl if has_group else None) or (self.acl and not has_group):
            mode &= 0o700
        try:
            os.fchmod(descriptor, mode)
        except OSError as error:
            if error.errno not in _NO_MODES:
                raise


def _shared_by_group_and_others(mode: int) -> int:
    both = mode >> 3 & mode & 0o7
    return both << 3 | both


def _give_group(descriptor: int, group: int) -> bool:
    if os.fstat(descriptor).st_gid != group:
        with suppress(OSError):
            os.fchown(descriptor, -1, group)
    return os.fstat(descriptor).st_gid == group


def _acl(descriptor: int) -> Optional[bytes]:
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(descriptor, _ACL)
    except OSError:
        return None


def _give_acl(descriptor: int, acl: Optional[bytes]) -> bool:
    """Set a file's access control list, replacing one inherited from its folder; return whether that worked."""
    if not hasattr(os, "setxattr"):
        return True
    try:
        if acl is None:
            os.removexattr(descriptor, _ACL)
        else:
            os.setxattr(descriptor, _ACL, acl)
    except OSError as error:
        return acl is None and error.errno in _NOT_THERE
    return True
