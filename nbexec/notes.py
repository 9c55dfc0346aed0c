"""What a runner leaves behind for the next server, should its own be gone at the end.

A note is a file that its runner has locked as long as it lives; what it says counts once it is free. The lock is one
of the process, not of the open file, so that the kernel which is forked from the runner does not hold it too.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from typing import Any, Dict, Optional

try:
    import fcntl
except ImportError:  # Windows, where runners do not outlive their server for long
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("nbexec")


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
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            _lock(self._descriptor)
        except OSError as error:
            _log.warning("The note %s cannot be written: %s.", path, error)

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


def is_held(path: str) -> bool:
    """Whether a runner still has something to say."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        _lock(descriptor)
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)


def read(path: str) -> Optional[Dict[str, Any]]:
    """Return what a runner has noted, or None if it had no time to."""
    try:
        with open(path, "rb") as file:
            fact: Dict[str, Any] = json.loads(file.read())
            return fact
    except (OSError, ValueError):
        return None


def remove(path: str) -> None:
    """Remove a note, if it is there."""
    with suppress(OSError):
        os.unlink(path)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
