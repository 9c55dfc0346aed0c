"""A directory that is open, so that what its path leads to meanwhile does not matter."""

from __future__ import annotations

import os
from typing import Optional


class OpenDirectory:
    """A directory whose entries are reached through its descriptor.

    Parameters
    ----------
    path : str
        Where it is.
    descriptor : int, optional
        It itself; None where the system has no descriptors of directories, and the path has to do.
    """

    def __init__(self, path: str, descriptor: Optional[int]) -> None:
        self.path = path
        self.descriptor = descriptor

    def at(self, name: str) -> str:
        """Return the path of a name, for calls that take `dir_fd`."""
        return name if self.descriptor is not None else os.path.join(self.path, name)

    def look(self, name: str) -> os.stat_result:
        """Return what is under a name; a link is what it is."""
        return os.stat(self.at(name), dir_fd=self.descriptor, follow_symlinks=False)

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor is not None:
            os.close(self.descriptor)
