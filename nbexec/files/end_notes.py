"""What a runner leaves behind for the next server, should its own be gone at the end.

A note is a file that its runner has locked as long as it lives; what it says counts once it is free. The lock is one
of the process, not of the open file, so that the kernel which is forked from the runner does not hold it too.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from typing import Any, Dict, List, Optional

from ..execution import is_text, is_time
from .private_files import PrivateFolder, open_folder

try:
    import fcntl
except ImportError:  # Windows, where runners do not outlive their server for long
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("nbexec")
_LARGEST = 1 << 26  # bytes


class Note:
    """The note of a runner about its execution.

    Parameters
    ----------
    path : str, optional
        The file; without one nothing is noted.
    """

    def __init__(self, path: Optional[str]) -> None:
        self._descriptor: Optional[int] = None
        if path is None:
            return
        try:
            folder = open_folder(os.path.dirname(path))
            try:
                self._descriptor = folder.open_file(os.path.basename(path), os.O_RDWR | os.O_CREAT)
            finally:
                folder.close()
            _lock(self._descriptor)
        except OSError as error:
            _log.warning("Cannot write the note %s: %s.", path, error.strerror or error)

    def write(self, fact: Dict[str, Any]) -> None:
        """Note how the execution ended."""
        if self._descriptor is not None:
            with suppress(OSError):  # it is told as well, and that is what usually counts
                os.pwrite(self._descriptor, json.dumps(fact).encode("ascii"), 0)

    def close(self) -> None:
        """Forget the file; in a forked child this leaves the note of its parent as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Notes:
    """The notes of all runners of a server.

    Parameters
    ----------
    path : str
        Their folder.

    Raises
    ------
    OSError
        It is not this user's alone.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened = open_folder(path)

    def path_of(self, exec_id: str) -> str:
        """Return where the runner of an execution leaves its note."""
        return os.path.join(self._path, exec_id)

    def names(self) -> List[str]:
        """Return the ids of the executions that there are notes of."""
        return self._folder.names()

    def is_held(self, exec_id: str) -> bool:
        """Whether a runner still has something to say."""
        try:
            descriptor = self._folder.open_file(exec_id)
        except OSError:
            return False
        try:
            _lock(descriptor)
            return False
        except (BlockingIOError, PermissionError):
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def read(self, exec_id: str) -> Optional[Dict[str, Any]]:
        """Return what a runner has noted, or None if it had no time to."""
        try:
            with open(self._folder.open_file(exec_id), "rb") as file:
                content = file.read(_LARGEST)
        except OSError:
            return None
        fact = _fact(content)
        if fact is None and content:
            _log.warning("Ignoring the note %s, which no runner has written.", self.path_of(exec_id))
        return fact

    def remove(self, exec_id: str) -> None:
        """Remove a note, if it is there."""
        with suppress(OSError):
            self._folder.remove(exec_id)

    @property
    def _folder(self) -> PrivateFolder:
        if not self._opened.is_intact():
            self._opened.close()
            self._opened = open_folder(self._path)
        return self._opened


def _fact(content: bytes) -> Optional[Dict[str, Any]]:
    """Return what a note says, None if that is not what runners write."""
    try:
        fact = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fact, dict) or not {"error", "timestamp", "progress", "output_name"} <= fact.keys():
        return None
    name = fact["output_name"]
    is_right = (is_text(fact["error"], or_none=True) and is_time(fact["timestamp"])
                and is_text(fact["progress"], or_none=fact["error"] is not None)
                and is_text(name, or_none=True) and (name is None or _is_name(name)))
    return fact if is_right else None


def _is_name(text: str) -> bool:
    return text not in ("", ".", "..") and not {"/", "\\", "\0"} & set(text)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
