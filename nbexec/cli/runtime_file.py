"""The file in which a notebook server says where it listens, and what lets in.

It outlives a server that was killed, and whoever can write to it decides who is asked: it is read as something that
others may have made.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional

from ..errors import NbExecError

_LONGEST = 1 << 16  # bytes; a server writes less than 1000
_NO_WAITING = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor a pipe that keeps us waiting


class RuntimeFileError(NbExecError):
    """Somebody else may have made or changed a runtime file."""


@dataclass(frozen=True)
class RuntimeFile:
    """What a notebook server has written.

    Parameters
    ----------
    url, token, notebook_dir : str
        Where it is, what it lets in, and what it serves.
    pid : int
        Its process.
    port : int
        The port on which it listens.
    written : float
        When it wrote this.
    """

    url: str
    token: str = field(repr=False)
    notebook_dir: str
    pid: int
    port: int
    written: float


def read_runtime_file(file: Path) -> Optional[RuntimeFile]:
    """Return what a file says; None if it is not whole, or about a server without a token or a TCP port.

    Raises
    ------
    OSError
        It cannot be read.
    RuntimeFileError
        It may be somebody else's.
    """
    if file.is_symlink():
        raise RuntimeFileError("it is a link")
    with open(os.open(file, os.O_RDONLY | _NO_WAITING), "rb") as stream:
        status = os.fstat(stream.fileno())
        _check(status, file)
        try:
            return _described(json.loads(stream.read(_LONGEST)), status.st_mtime)
        except (ValueError, RecursionError):
            return None


def _check(status: os.stat_result, file: Path) -> None:
    """Raise unless the file is this user's alone to write."""
    if not stat.S_ISREG(status.st_mode):
        raise RuntimeFileError("it is not a regular file")
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise RuntimeFileError("it belongs to another user")
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and _lets_group_in(file.parent)):
        raise RuntimeFileError("others can write to it")


def _lets_group_in(folder: Path) -> bool:
    """Whether others than the owner get to what is in the folder: the usual one is closed, whatever the umask is."""
    return bool(folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH))


def _described(info: Any, written: float) -> Optional[RuntimeFile]:
    kinds = {"url": str, "token": str, "notebook_dir": str, "pid": int, "port": int}
    if not isinstance(info, dict) or info.get("sock"):
        return None
    values: Dict[str, Any] = {name: info.get(name) for name in kinds}
    if not all(value and isinstance(value, kinds[name]) for name, value in values.items()):
        return None
    return RuntimeFile(**values, written=written)
