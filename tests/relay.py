"""A small TCP proxy that cuts connections, as those with a time-out do."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Callable, List, Optional, Type

FOREVER = 1e9


class Relay:
    """Passes connections on to a port of this machine, for a ``with`` block.

    Parameters
    ----------
    port : int
        Where to.
    silence : float
        Seconds without an answer after which a connection is cut.
    bytes_ : callable
        How much of the answer on a connection is passed on before it is cut, by the number of the connection.
    """

    def __init__(self, port: int, silence: float = FOREVER, bytes_: Callable[[int], float] = lambda number: FOREVER,
                 ) -> None:
        self._port = port
        self._silence = silence
        self._bytes = bytes_
        self.cut: List[float] = []  # when
        self.requests: List[bytes] = []  # the beginning of each
        self._open: List[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.refuse()

    def refuse(self) -> None:
        """Take no more connections."""
        _shut(self._listener)  # without which one that waits for a connection takes another one
        self._listener.close()

    def go_away(self) -> None:
        """Cut all connections and take no more."""
        self.refuse()
        for side in self._open:
            _shut(side)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.requests.append(b"")
            threading.Thread(target=self._relay, args=(connection, len(self.requests) - 1), daemon=True).start()

    def _relay(self, client: socket.socket, number: int) -> None:
        left = self._bytes(number)
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=self._pass_on, args=(client, server, number), daemon=True).start()
            server.settimeout(min(self._silence, 1000))
            try:
                while left > 0:
                    data = server.recv(1 << 16)
                    if not data:
                        return
                    client.sendall(data[:int(min(left, len(data)))])
                    left -= len(data)
            except OSError:
                pass
            self.cut.append(time.monotonic())
            _shut(client)
            _shut(server)

    def _pass_on(self, client: socket.socket, server: socket.socket, number: int) -> None:
        try:
            for data in iter(lambda: client.recv(1 << 16), b""):
                self.requests[number] += data
                server.sendall(data)
        except OSError:
            pass


def _shut(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already
