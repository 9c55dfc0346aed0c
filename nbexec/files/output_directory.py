"""The directory of an output notebook, and how a file gets into it.

Other users may be able to write there too. So the directory is opened by descriptors without following links, no entry
is trusted because of its name, and a name is replaced, never the file that it links to. A file appears under its name
whole or not at all.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Iterator, Optional

from ..errors import OutputNotWrittenError
from .accepted_directory import AcceptedDirectory
from .open_directory import OpenDirectory
from .permissions import Permissions
from .scratch_file import ScratchFile

_HAS_DESCRIPTORS = os.open in os.supports_dir_fd  # not on Windows


class OutputDirectory:
    """A directory to write into, for a ``with`` block.

    Parameters
    ----------
    accepted : AcceptedDirectory
        The directory.

    Raises
    ------
    OutputNotWrittenError
        On entering: it no longer exists, or was replaced.
    """

    def __init__(self, accepted: AcceptedDirectory) -> None:
        self._accepted = accepted

    def __enter__(self) -> OutputDirectory:
        try:
            descriptor = self._accepted.open() if _HAS_DESCRIPTORS else None
        except OSError as error:
            raise _not_written(self._accepted.asked, error) from error
        self._open = OpenDirectory(self._accepted.path, descriptor)
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

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
            Its permissions.

        Raises
        ------
        OutputNotWrittenError
            The system refused, with its reason.
        """
        scratch = ScratchFile(self._open)
        try:
            scratch.write(data, permissions)
            return next(name for name in names if scratch.claim(name))
        except OSError as error:
            raise _not_written(self._accepted.asked, error) from error
        finally:
            scratch.remove()

    def replace(self, data: bytes, name: str, permissions: Permissions, source: Optional[str],
                scratch_name: Optional[str] = None) -> None:
        """Write a file under a name; readers see either the old file or the new one.

        Parameters
        ----------
        data : bytes
            The whole file.
        name : str
            The name, which need not exist. A link is replaced itself.
        permissions : Permissions
            Its permissions, reduced to those of the old file.
        source : str, optional
            The source notebook, which is not replaced under any name.
        scratch_name : str, optional
            Its name until it is complete, if another process must know it.

        Raises
        ------
        OutputNotWrittenError
            The system refused, with its reason, or the name now belongs to something that must not be replaced.
        """
        scratch = ScratchFile(self._open, scratch_name)
        try:
            old = self._replaceable(name, source)
            scratch.write(data, permissions if old is None else permissions.within(old.st_mode))
            scratch.replace(name)
        except OSError as error:
            raise _not_written(os.path.join(self._accepted.asked, name), error) from error
        finally:
            scratch.remove()

    def has(self, name: str) -> bool:
        """Whether there is something under a name."""
        try:
            self._open.look(name)
        except OSError:
            return False
        return True

    def read(self, name: str) -> Optional[bytes]:
        """Return what is in a file, None if it cannot be read."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(self._open.at(name), flags, dir_fd=self._open.descriptor), "rb") as file:
                return file.read()
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(OSError):
            os.unlink(self._open.at(name), dir_fd=self._open.descriptor)

    def _replaceable(self, name: str, source: Optional[str]) -> Optional[os.stat_result]:
        """Return the status of the file to replace, if there is one, after checking that it may be replaced."""
        try:
            entry = self._open.look(name)
        except FileNotFoundError:
            return None
        there = os.stat(self._open.at(name), dir_fd=self._open.descriptor)
        if not stat.S_ISREG(there.st_mode):
            raise OSError("it is no longer a regular file")
        if source is not None and os.path.exists(source) and os.path.samestat(there, os.stat(source)):
            raise OSError("it has become the source notebook")
        if stat.S_ISLNK(entry.st_mode) and not self._accepted.contains(
                os.path.realpath(os.path.join(self._accepted.path, name))):
            raise OSError("it has become a link that leads out of the root directory or to a hidden file")
        return there


def _not_written(where: str, error: OSError) -> OutputNotWrittenError:
    return OutputNotWrittenError(f"the output notebook could not be written to {where}: {error.strerror or error}")
