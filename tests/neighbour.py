"""Another user of this machine, who can do what files and folders let anybody do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534


class Neighbour:
    """Runs commands as nobody. Paths are relative to a folder: whoever is in it needs no way to it."""

    def __init__(self) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("only root can be two users at once, and this is done for Linux alone")

    def does(self, folder: Path, command: str) -> str:
        """Run a shell command in a folder; return what it writes, errors included."""
        done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, preexec_fn=_become_nobody, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.stdout


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
