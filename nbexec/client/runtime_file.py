"""Reads the file in which a notebook server announces its address and its token.

The file outlives a killed server, and whoever can write to it decides where requests go, so it is not trusted unless
it belongs to this user alone.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

from ..errors import NbExecError

_LONGEST = 1 << 16  # bytes; servers write less than 1000
_NO_WAITING = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe must not block us


class RuntimeFileError(NbExecError):
    """Somebody else may have created or changed a runtime file."""


@dataclass(frozen=True)
class RuntimeFile:
    """The content of a runtime file.

    Parameters
    ----------
    url, token, notebook_dir : str
        URL, token and root directory of the server.
    pid : int
        Id of its process.
    port : int
        Port on which it listens.
    written : float
        Time at which the file was written.
    """

    url: str
    token: str = field(repr=False)
    notebook_dir: str
    pid: int
    port: int
    written: float


def announced_files() -> List[Path]:
    """Return the runtime files of this user's servers, also those of servers that are gone."""
    # notebook's own function takes seconds to import, and fails for all servers if one file is just being written.
    from jupyter_core.paths import jupyter_runtime_dir

    return sorted(Path(jupyter_runtime_dir()).glob("nbserver-*.json"))


def read_runtime_file(file: Path) -> Optional[RuntimeFile]:
    """Return the content of a file; None if it is incomplete, or its server has no token or no TCP port.

    Raises
    ------
    OSError
        The file cannot be read.
    RuntimeFileError
        Somebody else may have written it.
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
    """Raise RuntimeFileError unless only this user can write the file."""
    if not stat.S_ISREG(status.st_mode):
        raise RuntimeFileError("it is not a regular file")
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise RuntimeFileError("it belongs to another user")
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and _lets_group_in(file.parent)):
        raise RuntimeFileError("others can write to it")


def _lets_group_in(folder: Path) -> bool:
    """Whether others can reach the files in the folder; Jupyter closes its runtime folder whatever the umask is."""
    return bool(folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH))


def _described(info: Any, written: float) -> Optional[RuntimeFile]:
    kinds = {"url": str, "token": str, "notebook_dir": str, "pid": int, "port": int}
    if not isinstance(info, dict) or info.get("sock"):
        return None
    values: Dict[str, Any] = {name: info.get(name) for name in kinds}
    if not all(value and isinstance(value, kinds[name]) for name, value in values.items()):
        return None
    return RuntimeFile(**values, written=written)
