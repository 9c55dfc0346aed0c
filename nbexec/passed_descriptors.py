"""File descriptors that are sent to another process: `socket.send_fds` and `recv_fds`, which Python 3.8 lacks."""

from __future__ import annotations

import array
import socket
from typing import List, Sequence, Tuple

_SIZE = array.array("i").itemsize


def send_descriptors(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """Send `data` over a Unix socket, and descriptors along with it."""
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def receive_descriptors(sock: socket.socket, size: int, most: int) -> Tuple[bytes, List[int]]:
    """Return up to `size` bytes, and up to `most` descriptors that came along with them."""
    data, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(most * _SIZE))
    descriptors = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % _SIZE])
    return data, list(descriptors)
