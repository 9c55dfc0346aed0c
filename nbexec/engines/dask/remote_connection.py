"""The server's end of the pipe to a runner on another machine.

What is said of processes of this machine is not true for it: its pid is that of a process elsewhere, which is never
killed here.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Callable

from ..local.connection import Connection


class RemoteConnection(Connection):
    """The server's end of the pipe to one runner elsewhere.

    Parameters
    ----------
    run : str
        The id by which the bridge knows it.
    worker : str
        The name of its worker.
    on_kill : callable
        Called with the id when the runner has to be killed.
    """

    tells_all = False  # what it has sent may be lost on the way, so it may have got further than is known

    def __init__(self, run: str, worker: str, sock: socket.socket, reader: asyncio.StreamReader,
                 writer: asyncio.StreamWriter, on_kill: Callable[[str], None],
                 on_close: Callable[[Connection], None]) -> None:
        super().__init__(sock, reader, writer, _ignore, on_close)
        self.run = run
        self.worker = worker
        self._on_kill = on_kill

    def kill(self) -> None:
        """Have a runner killed that does not exit."""
        self._on_kill(self.run)


def _ignore(pid: int) -> None:
    """Do nothing at the end of a runner: its worker cleans up after it."""
