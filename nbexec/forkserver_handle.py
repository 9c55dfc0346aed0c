"""What the notebook server knows of its fork server.

A fork server is never repaired: if it does not do any more, another takes its place, and it goes when its last
runner has gone.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from typing import Any, Callable, Dict, Iterable, List, Sequence

from tornado.ioloop import IOLoop

from . import forkserver
from .interpreter import boot

_log = logging.getLogger("nbexec")


class ForkServerHandle:
    """A fork server that was started.

    Parameters
    ----------
    folder : str
        A folder for its runners.
    preload : list of str
        Modules that it is to import for the notebooks.
    on_end : callable
        Called when it ends, unless it was told to.
    """

    def __init__(self, folder: str, preload: Sequence[str], on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._forks = 0
        self._files: Dict[str, int] = {}
        self._packages = _times(_package_folders())
        self._report = b""
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        with theirs:
            self.process = boot("forkserver", theirs, folder, json.dumps(list(preload)))
        IOLoop.current().add_handler(self._control.fileno(), self._listen, IOLoop.READ)

    def fork(self, runner_end: socket.socket, spare: bool) -> None:
        """Have a runner forked that serves `runner_end`.

        Raises
        ------
        OSError
            The fork server is gone, or does not read.
        """
        self._forks += 1
        forkserver.request_runner(self._control, runner_end, spare)

    def unfit(self, max_forks: int) -> str:
        """Return why another fork server is needed, or nothing."""
        if self.process.poll() is not None:
            return "it has ended unexpectedly"
        if 0 < max_forks <= self._forks:
            return f"it has forked {self._forks} times"
        if _times(_package_folders()) != self._packages:
            return "the installed packages have changed"
        if _times(self._files) != self._files:
            return "a preloaded module has changed"
        return ""

    def retire(self) -> None:
        """Let it go as soon as its runners have gone, however long that takes."""
        IOLoop.current().remove_handler(self._control.fileno())
        try:
            forkserver.request_retirement(self._control)
        except OSError:
            pass  # it has gone already

    def close(self) -> None:
        """Let it go now, and its runners with it."""
        self._control.close()

    def _listen(self, descriptor: int, events: int) -> None:
        """Take in what it has to say, once it is ready, or notice its end."""
        try:
            data = self._control.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._report += data
        if self._report.endswith(b"\n"):
            self._take_report(json.loads(self._report))
            self._report = b""
        if not data:
            IOLoop.current().remove_handler(descriptor)
            self._on_end()

    def _take_report(self, report: Dict[str, Any]) -> None:
        self._files = report["files"]
        for module, reason in report["failed"].items():
            _log.warning("nbexec does not preload %s: %s.", module, reason)
        if report["loaded"]:
            _log.info("nbexec has preloaded %s.", ", ".join(report["loaded"]))


def _package_folders() -> List[str]:
    """Return the folders that change when a package is installed, upgraded or removed."""
    return [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]


def _times(paths: Iterable[str]) -> Dict[str, int]:
    """Return when each of the paths was changed, in nanoseconds; those that are gone are left out."""
    times = {}
    for path in paths:
        try:
            times[path] = os.stat(path).st_mtime_ns
        except OSError:
            pass
    return times
