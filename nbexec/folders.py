"""Folders for what lives as long as a process: connection files, sockets, what a kernel wrote to its stderr."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress

import psutil

# The path of a Unix socket may have 104 (macOS) to 108 (Linux) bytes; this leaves room for its name, and for the
# folder of a runner.
_LONGEST = 65  # bytes


def make_folder() -> str:
    """Make a folder that only its user can enter, for sockets too, and return its path.

    Raises
    ------
    OSError
        There is no place for one.
    """
    usual = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="nbexec-", dir=usual if len(os.fsencode(usual)) <= _LONGEST else "/tmp")


def remove_if_unused(folder: str) -> None:
    """Remove a folder whose entries are named by processes, unless one of these is still there."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.isdigit() and not psutil.pid_exists(int(name)):
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
        os.rmdir(folder)
