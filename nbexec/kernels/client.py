"""The runner's connection to its kernel.

One thread and one poll serve the kernel's messages, the server's commands and the death of the kernel, so that
nothing is waited for by sleeping. Deadlines are monotonic: the wall clock may jump.
"""

from __future__ import annotations

import hmac
import itertools
import logging
import math
import time
from typing import Any, Dict, Iterator, List, Optional

import zmq
from jupyter_client.session import DELIM, Session

from ..errors import ExecutionError, OutputLostError
from .messages import KernelMessage
from .watched import Watched

_log = logging.getLogger("nbexec")
SHELL, IOPUB, CONTROL = "shell", "iopub", "control"
_DRAIN = 0.05  # seconds without a message after which a dead kernel's channel counts as empty
_CUT = 1.0  # seconds of reading after which a kernel that goes on sending is not listened to any more
_MAX_WAIT = 3600.0  # seconds of one poll; ZeroMQ takes no larger ones than 2**31 milliseconds


class KernelClient:
    """Talks to one kernel.

    Parameters
    ----------
    connection : dict
        What the connection file says.
    """

    def __init__(self, connection: Dict[str, Any]) -> None:
        self.session = Session(key=connection["key"].encode(), signature_scheme=connection["signature_scheme"])
        self._watched: Watched = {}
        self._unreadable: Optional[OutputLostError] = None
        self._has_complained = False
        self._context = zmq.Context()
        # A full queue makes ZeroMQ drop messages silently; better to hold them all.
        self._context.setsockopt(zmq.RCVHWM, 0)
        self._context.setsockopt(zmq.SNDHWM, 0)
        self._context.setsockopt(zmq.LINGER, 0)
        self._context.setsockopt(zmq.RECONNECT_IVL, 20)  # milliseconds, while a kernel has yet to come up
        try:
            self._sockets = {channel: self._connect(connection, channel) for channel in (SHELL, IOPUB, CONTROL)}
        except zmq.ZMQError:
            self.close()
            raise
        self._channels = {socket: channel for channel, socket in self._sockets.items()}
        self._poller = zmq.Poller()
        for pollable in self._channels:
            self._poller.register(pollable, zmq.POLLIN)

    def _connect(self, connection: Dict[str, Any], channel: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.SUB if channel == IOPUB else zmq.DEALER)
        if channel == IOPUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            socket.setsockopt(zmq.IDENTITY, self.session.bsession)
        separator = ":" if connection["transport"] == "tcp" else "-"
        port = connection[f"{channel}_port"]
        socket.connect(f"{connection['transport']}://{connection['ip']}{separator}{port}")
        return socket

    def watch(self, watched: Watched) -> None:
        """Poll file descriptors besides the channels, and call what belongs to one when it is readable.

        If that raises, its descriptor is not polled again, and the error comes out of `receive`.
        """
        self._watched = watched
        for descriptor in watched:
            self._poller.register(descriptor, zmq.POLLIN)

    def close(self) -> None:
        """Close the channels."""
        self._context.destroy(linger=0)

    def send(self, channel: str, msg_type: str, content: Dict[str, Any]) -> str:
        """Send a request and return its message id."""
        message = self.session.send(self._sockets[channel], msg_type, content)
        assert message is not None
        return str(message["header"]["msg_id"])

    def execute(self, source: str, silent: bool = False, stop_on_error: bool = True,
                expressions: Optional[Dict[str, str]] = None) -> str:
        """Send the source of a cell to be executed, and expressions to be told of; return the message id.

        `input()` is not available to the notebook, it raises in the cell at once.
        """
        return self.send(SHELL, "execute_request", {
            "code": source, "silent": silent, "store_history": not silent, "user_expressions": expressions or {},
            "allow_stdin": False, "stop_on_error": stop_on_error})

    def receive(self, deadline: Optional[float] = None) -> List[KernelMessage]:
        """Return the messages that are there, waiting for at least one until `deadline` (monotonic seconds).

        The list is empty only when the deadline passed.

        Raises
        ------
        OutputLostError
            Among those that were returned last there was one that could not be read.
        """
        self.check_unreadable()
        while True:
            ready = dict(self._poller.poll(_milliseconds(deadline)))
            for pollable in ready:
                if pollable not in self._channels:
                    self._call_watched(pollable)
            messages = [message for pollable in ready if pollable in self._channels
                        for message in self._received(pollable)]
            if messages or (deadline is not None and time.monotonic() >= deadline):
                return messages
            self.check_unreadable()

    def check_unreadable(self) -> None:
        """Raise OutputLostError if one of the messages so far could not be read."""
        if self._unreadable is not None:
            raise self._unreadable

    def _call_watched(self, descriptor: int) -> None:
        try:
            self._watched[descriptor]()
        except ExecutionError:
            self._poller.unregister(descriptor)
            raise

    def run_silently(self, code: str, deadline: float) -> None:
        """Execute code that is not part of the notebook.

        Raises
        ------
        TimeoutError
            The kernel did not answer until `deadline` (monotonic seconds).
        """
        msg_id = self.execute(code, silent=True)
        while True:
            messages = self.receive(deadline)
            if not messages:
                raise TimeoutError
            if any(message.channel == SHELL and message.parent_id == msg_id for message in messages):
                return

    def drain(self, patience: float = _DRAIN) -> List[KernelMessage]:
        """Return what a dead kernel had sent and nobody has read yet.

        It is all there when nothing came for `patience` seconds.
        """
        return [message for batch in self._batches(patience) for message in batch]

    def drain_ready(self) -> List[KernelMessage]:
        """Return what has arrived and nobody has read yet; a kernel that never stops is cut off."""
        deadline = time.monotonic() + _CUT
        batches = itertools.takewhile(lambda _: time.monotonic() < deadline, self._batches(0.0))
        return [message for batch in batches for message in batch]

    def _batches(self, patience: float) -> Iterator[List[KernelMessage]]:
        while True:
            ready = [socket for socket in self._channels if socket.poll(0)]
            if not ready and not self._sockets[IOPUB].poll(int(patience * 1000)):
                return
            for socket in ready or [self._sockets[IOPUB]]:
                yield self._received(socket)

    def _received(self, socket: zmq.Socket[bytes]) -> List[KernelMessage]:
        """Return a batch of what is in the socket; bounded, so that commands are seen during a flood."""
        messages = []
        for _ in range(100):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            message = self._parse(self._channels[socket], parts)
            if message is not None:
                messages.append(message)
        return messages

    def _parse(self, channel: str, parts: List[bytes]) -> Optional[KernelMessage]:
        """Return the message, or None if it is malformed or not signed with the key of this kernel."""
        # `Session.deserialize` would check the signature too, but it parses what nobody looks at, and keeps all
        # signatures to find messages that come twice.
        try:
            start = parts.index(DELIM) + 1
            signature, body = parts[start], parts[start + 1:]
        except (ValueError, IndexError):
            return None
        if len(body) < 4 or not hmac.compare_digest(signature, self.session.sign(body[:4])):
            return None
        try:
            return KernelMessage(channel, body)
        except OutputLostError as error:
            self._unreadable = self._unreadable or error
        except ValueError as error:
            self._complain(error)
        return None

    def _complain(self, error: ValueError) -> None:
        """Log the first malformed message only: there may be millions."""
        if not self._has_complained:
            self._has_complained = True
            _log.warning("Ignoring a malformed message from the kernel, and any more like it: %s.",
                         error)


def _milliseconds(deadline: Optional[float]) -> Optional[int]:
    if deadline is None:
        return None
    return math.ceil(min(max(0.0, deadline - time.monotonic()), _MAX_WAIT) * 1000)
