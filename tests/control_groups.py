"""Control groups of Linux: limits that hold for a process and all that it starts. Making them takes root."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

import pytest
from helpers import wait_for

_ROOT = Path("/sys/fs/cgroup")
_LIMITS = {("memory", 1): "memory.limit_in_bytes", ("memory", 2): "memory.max", ("pids", 1): "pids.max",
           ("pids", 2): "pids.max"}


class ControlGroup:
    """A control group with one limit.

    Parameters
    ----------
    controller : str
        What is limited: ``memory`` in bytes, or ``pids``, the number of processes and threads.
    """

    def __init__(self, controller: str) -> None:
        version = 1 if (_ROOT / controller / "cgroup.procs").exists() else 2
        self._parent = _ROOT / controller if version == 1 else _ROOT
        if version == 2:
            (self._parent / "cgroup.subtree_control").write_text(f"+{controller}")
        self.folder = self._parent / f"nbexec-tests-{os.getpid()}-{controller}"
        self.folder.mkdir()
        self._limit = self.folder / _LIMITS[controller, version]
        for swap in "memory.swappiness", "memory.swap.max":  # a swap would only put off the end
            with suppress(OSError):
                (self.folder / swap).write_text("0")

    def add(self, pid: int) -> None:
        """Put a process into the group, with what it starts from now on."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def limit(self, number: int) -> None:
        self._limit.write_text(str(number))

    def lift(self) -> None:
        self._limit.write_text("-1" if "limit" in self._limit.name else "max")

    def used(self) -> int:
        """Return how many processes and threads there are in it."""
        return int((self.folder / "pids.current").read_text())

    def remove(self) -> None:
        def removed() -> bool:
            for pid in (self.folder / "cgroup.procs").read_text().split():
                with suppress(OSError):
                    (self._parent / "cgroup.procs").write_text(pid)
            with suppress(OSError):
                self.folder.rmdir()
            return not self.folder.exists()

        wait_for(removed, 10, "the control group to go")


@contextmanager
def control_group(controller: str) -> Iterator[ControlGroup]:
    """Make a control group, and remove it again; skip the test where that is not allowed."""
    try:
        group = ControlGroup(controller)
    except OSError as error:
        pytest.skip(f"there can be no control group here: {error}")
    try:
        yield group
    finally:
        group.remove()
