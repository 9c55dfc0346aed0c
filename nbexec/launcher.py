"""Starts one process per execution and carries its facts to the loop.

All of it belongs to the loop thread. The fork server is a child of the notebook server, but in a session of its
own, so that a Ctrl-C in the terminal reaches the notebook server alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import weakref
from typing import Any, AsyncIterator, Dict, List, Optional

from . import forkserver
from .children import POSIX
from .errors import RunnerDiedError
from .folders import make_folder
from .pipe import HEAD_BYTES, Frame, pack, unpack_lengths

_log = logging.getLogger("nbexec")
_BUFFER = 1 << 20  # bytes that are read ahead from a runner
_GOING = 10.0  # seconds that the fork server may take to go when the server stops
# The path of the imports must not begin with the working directory: a file there could be taken for a module.
_BOOT = "import sys; sys.path.remove(''); from nbexec.{0} import start; start(*sys.argv[1:])"
# As ipykernel starts its kernels; its debugger complains otherwise.
_FLAGS = ["-Xfrozen_modules=off"] if sys.version_info >= (3, 11) else []


class Connection:
    """The server's end of the pipe to one runner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.pid: Optional[int] = None

    def send(self, head: Dict[str, Any], payload: bytes = b"") -> None:
        """Send a command; a runner that is gone does not matter here, it shows on the other way."""
        self._writer.write(pack(head, len(payload)))
        self._writer.write(payload)

    async def facts(self) -> AsyncIterator[Frame]:
        """Yield what the runner tells, until it is gone and its kernel with it."""
        while True:
            try:
                head_size, payload_size = unpack_lengths(await self._reader.readexactly(HEAD_BYTES))
                head = json.loads(await self._reader.readexactly(head_size))
                payload = await self._reader.readexactly(payload_size) if payload_size else b""
            except (asyncio.IncompleteReadError, OSError):
                break
            if head["fact"] == "hello":
                self.pid = head["pid"]
            else:
                yield head, payload
        self._writer.close()

    def hang_up(self) -> None:
        """Let the runner see that nobody listens any more; this works without a running loop."""
        try:
            self._writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone by itself

    def kill(self) -> None:
        """End a runner that does not end by itself; the fork server cleans up after it."""
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Launcher:
    """Starts runners.

    Parameters
    ----------
    use_fork_server : bool
        Whether runners are forked; otherwise each is a new Python process.
    """

    def __init__(self, use_fork_server: bool) -> None:
        self._use_fork_server = use_fork_server and POSIX
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._control: Optional[socket.socket] = None
        self._folder: Optional[str] = None
        self._spawned: List[subprocess.Popen[bytes]] = []
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        if self._use_fork_server:
            self._start_fork_server()

    async def launch(self) -> Connection:
        """Start a runner and return the connection to it.

        Raises
        ------
        RunnerDiedError
            The system does not let it start.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise RunnerDiedError(f"the process for it could not be started: {error.strerror or error}") from error
        with theirs:
            try:
                if self._use_fork_server:
                    self._fork(theirs)
                else:
                    self._spawn(theirs)
            except OSError as error:
                ours.close()
                raise RunnerDiedError(f"the process for it could not be started: {error.strerror or error}") from error
        connection = Connection(*await asyncio.open_connection(sock=ours, limit=_BUFFER))
        self._connections.add(connection)
        return connection

    def _fork(self, runner_end: socket.socket) -> None:
        if self._process is None or self._process.poll() is not None:
            _log.warning("The fork server of nbexec has ended unexpectedly and is started again.")
            self._start_fork_server()
        assert self._control is not None
        forkserver.send_request(self._control, runner_end)

    def _spawn(self, runner_end: socket.socket) -> None:
        self._spawned = [process for process in self._spawned if process.poll() is None]
        self._spawned.append(_boot("runner", runner_end))

    def _start_fork_server(self) -> None:
        # The same one again, so that what a killed fork server left there is removed in the end.
        self._folder = self._folder or make_folder()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _boot("forkserver", theirs, self._folder)
        self._control.settimeout(1.0)

    def close(self) -> None:
        """Let the fork server go, as it does when this process ends, and wait until all runners have saved."""
        for connection in list(self._connections):
            connection.hang_up()
        if self._control is not None:
            self._control.close()
        deadline = time.monotonic() + _GOING
        for process in [*self._spawned, *([self._process] if self._process else [])]:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _boot(module: str, sock: socket.socket, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a Python process that has `sock` and calls `start` of a module of nbexec."""
    return subprocess.Popen(
        [sys.executable, *_FLAGS, "-c", _BOOT.format(module), str(sock.fileno()), *arguments],
        stdin=subprocess.DEVNULL, pass_fds=[sock.fileno()], start_new_session=True)
