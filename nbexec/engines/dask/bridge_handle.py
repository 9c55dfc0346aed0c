"""A bridge that was started, as the notebook server sees it."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from contextlib import suppress
from typing import Any, Callable, Dict, Optional

from ...bridge_messages import BridgeMessage, send_to_bridge, unpack
from ...fork_protocol import ForkServerFailed, decode
from ..local.boot import boot

_PAUSE = 0.01  # seconds until another attempt, if it has more to read than it has read


class BridgeHandle:
    """A bridge.

    Parameters
    ----------
    options : dict
        What it needs to know.
    environment : dict
        Its environment variables.
    on_message : callable
        Called with each of its messages.
    on_end : callable
        Called with this handle, and with what is wrong if the bridge says it, when it is gone.
    """

    def __init__(self, options: Dict[str, Any], environment: Dict[str, str],
                 on_message: Callable[[BridgeMessage], None], on_end: Callable[[BridgeHandle, str], None]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process: subprocess.Popen[bytes] = boot("cluster.bridge", (), environment, theirs,
                                                          json.dumps(options))
        self._control = ours
        self._control.setblocking(False)
        self._on_message = on_message
        self._on_end = on_end
        self._received = b""
        self._problem = ""
        asyncio.get_event_loop().add_reader(self._control.fileno(), self._listen)

    async def send(self, message: BridgeMessage, sock: Optional[socket.socket] = None) -> None:
        """Tell it something.

        Raises
        ------
        OSError
            It is gone.
        """
        while True:
            try:
                return send_to_bridge(self._control, message, sock)
            except BlockingIOError:
                await asyncio.sleep(_PAUSE)

    def _listen(self) -> None:
        try:
            data = self._control.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(line)
        if not data:
            asyncio.get_event_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._on_end(self, self._problem)

    def _take(self, line: bytes) -> None:
        if b'"ForkServerFailed"' in line:  # it could not even be imported
            failed = decode(line)
            assert isinstance(failed, ForkServerFailed)
            self._problem = failed.problem
        else:
            self._on_message(unpack(line))

    def close(self) -> None:
        """Let it see that the server is gone; this works without a running loop."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def wait(self, timeout: float) -> None:
        """Wait until it has gone; kill it if that takes too long."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def reap(self) -> None:
        """Leave no zombie."""
        self._process.poll()
