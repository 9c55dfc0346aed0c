"""The frames that cross the process border between the server and a runner.

A frame is a small JSON head and a payload of bytes that nobody on the way looks into: an event is serialised in
the runner and reaches the client as it is, however large it is and however many read it.
"""

from __future__ import annotations

import array
import json
import select
import socket
import struct
from typing import Any, Dict, List, Optional, Tuple

RUNNER, SPARE, RETIRE = b"r", b"s", b"q"  # what a fork server can be asked for
_FD_SIZE = array.array("i").itemsize
_LENGTHS = struct.Struct(">IQ")
HEAD_BYTES = _LENGTHS.size

Frame = Tuple[Dict[str, Any], bytes]


class PipeClosedError(EOFError):
    """The other side is gone."""


def pack(head: Dict[str, Any], payload_size: int = 0) -> bytes:
    """Return what stands before the payload of a frame."""
    body = json.dumps(head).encode("ascii")
    return _LENGTHS.pack(len(body), payload_size) + body


def unpack_lengths(data: bytes) -> Tuple[int, int]:
    """Return the sizes of head and payload, in bytes, from the first `HEAD_BYTES` of a frame."""
    head, payload = _LENGTHS.unpack(data)
    return head, payload


class Pipe:
    """The runner's end: blocking, so that a runner never holds more than one event that is under way."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._socket = sock

    def fileno(self) -> int:
        """Return the descriptor to poll for a command."""
        return self._socket.fileno()

    def is_free(self) -> bool:
        """Whether there is room for a small frame."""
        return bool(select.select([], [self._socket], [], 0)[1])

    def close(self) -> None:
        """Close this end; the server takes that for the end of the runner."""
        self._socket.close()

    def send(self, head: Dict[str, Any], payload: bytes = b"") -> None:
        """Send one frame.

        Raises
        ------
        PipeClosedError
            The server is gone.
        """
        try:
            self._socket.sendall(pack(head, len(payload)))
            if payload:
                self._socket.sendall(payload)
        except OSError as error:
            raise PipeClosedError("the server is gone") from error

    def receive(self) -> Frame:
        """Return the next frame, waiting for it.

        Raises
        ------
        PipeClosedError
            The server is gone.
        """
        head_size, payload_size = unpack_lengths(self._read(HEAD_BYTES))
        return json.loads(self._read(head_size)), self._read(payload_size)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._receive_some(size - len(parts))
            if not part:
                raise PipeClosedError("the server is gone")
            parts += part
        return bytes(parts)

    def _receive_some(self, size: int) -> Optional[bytes]:
        try:
            return self._socket.recv(min(size, 1 << 20))
        except OSError:
            return None


# -- what a fork server is asked ------------------------------------------------------------------


def request_runner(control: socket.socket, runner_end: socket.socket, spare: bool) -> None:
    """Ask the fork server at the other end of `control` for a runner that serves `runner_end`.

    Parameters
    ----------
    control, runner_end : socket
        The sockets.
    spare : bool
        Whether the runner makes its kernel before it has a request.

    Raises
    ------
    OSError
        The fork server is gone, or does not read.
    """
    descriptors = array.array("i", [runner_end.fileno()])
    control.sendmsg([SPARE if spare else RUNNER], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])


def request_retirement(control: socket.socket) -> None:
    """Let the fork server at the other end of `control` go when its last runner has gone.

    Raises
    ------
    OSError
        It is gone already.
    """
    control.send(RETIRE)


def receive_request(control: socket.socket) -> Tuple[bytes, List[int]]:
    """Return what is asked for next, with the descriptors that came along; nothing when the server is gone."""
    try:
        data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(_FD_SIZE))
    except OSError:
        return b"", []
    descriptors = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % _FD_SIZE])
    return data, list(descriptors)
