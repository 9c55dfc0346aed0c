"""Connections over which no request has come, or only the beginning of one.

Whoever can reach the server can have as many as he likes, and nobody knows who he is. So what they hold is bounded,
and when descriptors run short the oldest of them go and no others are let in for a moment; accepting them without a
free descriptor would fail again and again, and fill the log. It is about all connections of the notebook server,
because before a request has come there is no telling what it asks for. It belongs to the loop thread.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from typing import Any, Awaitable, Optional

from tornado import httputil
from tornado.ioloop import IOLoop
from tornado.netutil import add_accept_handler

from . import descriptors

_log = logging.getLogger("nbexec")
_SHARE = 7 / 8  # of the descriptors that connections may take
_PAUSE = 0.05  # seconds
_PATIENCE = 2.0  # seconds that a connection may wait when descriptors run short
_MANY = 100  # connections whose bytes are worth counting
_MOST_BYTES = 4 << 20
_MOST_FIELDS = 1000  # of a query; tornado before 6.5.8 takes 80 ms for more
_LOOK_EVERY = 0.1  # seconds


class WaitingConnections:
    """Those connections, the one that has been waiting longest first.

    Parameters
    ----------
    http_server : tornado.httpserver.HTTPServer
        The server; it is watched from now on.
    """

    def __init__(self, http_server: Any) -> None:
        self._server = http_server
        self._since: OrderedDict[Any, float] = OrderedDict()
        self._is_paused = self._is_looking = False
        self._handle_stream = http_server.handle_stream
        self._start_request = http_server.start_request
        self._on_close = http_server.on_close
        http_server.handle_stream = self._accept
        http_server.start_request = self._wait
        http_server.on_close = self._forget

    # -- what the server calls --------------------------------------------------------------------

    def _accept(self, stream: Any, address: Any) -> Any:
        if stream.socket.fileno() >= descriptors.limit() * _SHARE:
            self._pause()
        return self._handle_stream(stream, address)

    def _wait(self, connection: Any, request: Any) -> httputil.HTTPMessageDelegate:
        self._since[connection] = time.monotonic()
        if len(self._since) > _MANY and not self._is_looking:
            self._is_looking = True
            IOLoop.current().call_later(_LOOK_EVERY, self._look)
        return _Request(self._start_request(connection, request), self, connection)

    def _forget(self, connection: Any) -> None:
        self.end_wait(connection)
        self._on_close(connection)

    def end_wait(self, connection: Any) -> None:
        """Know that a request has come, or that the connection is gone."""
        self._since.pop(connection, None)

    # -- bounds -----------------------------------------------------------------------------------

    def _look(self) -> None:
        """Close the oldest connections whose beginnings of requests are too much together."""
        self._is_looking = len(self._since) > _MANY
        if self._is_looking:
            IOLoop.current().call_later(_LOOK_EVERY, self._look)
        sizes = {connection: getattr(connection.stream, "_read_buffer_size", 0) for connection in self._since}
        excess = sum(sizes.values()) - _MOST_BYTES
        for connection, size in sizes.items():
            if excess <= 0:
                break
            if size:
                excess -= size
                connection.stream.close()
                connection.stream._read_buffer = bytearray()  # or it stays until the next garbage collection

    def _pause(self) -> None:
        """Accept nobody for a moment; who comes meanwhile waits in the queue of the system."""
        if self._is_paused:
            return
        self._is_paused = True
        for number in list(self._server._handlers):
            self._server._handlers.pop(number)()
        IOLoop.current().call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if descriptors.lowest_free() >= descriptors.limit() * _SHARE:
            self._close_old()
            IOLoop.current().call_later(_PAUSE, self._resume)
            return
        self._is_paused = False
        for number, sock in self._server._sockets.items():
            self._server._handlers[number] = add_accept_handler(sock, self._server._handle_connection)

    def _close_old(self) -> None:
        now, closed = time.monotonic(), 0
        for connection, since in list(self._since.items()):
            if now - since < _PATIENCE:
                break
            connection.stream.close()
            closed += 1
        if closed:
            _log.warning("Closed %d idle connections, because no file descriptors are left (limit %d, see "
                         "ulimit -n).", closed, descriptors.limit())


class _Request(httputil.HTTPMessageDelegate):
    """Tells when the head of a request has come."""

    def __init__(self, delegate: httputil.HTTPMessageDelegate, waiting: WaitingConnections, connection: Any) -> None:
        self._delegate = delegate
        self._waiting = waiting
        self._connection = connection
        self._is_known = False  # to the delegate

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Optional[Awaitable[None]]:
        self._waiting.end_wait(self._connection)
        if start_line.path.count("&") >= _MOST_FIELDS:
            self._connection.stream.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self._connection.stream.close()
            return None
        self._is_known = True
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Optional[Awaitable[None]]:
        return self._delegate.data_received(chunk) if self._is_known else None

    def finish(self) -> None:
        if self._is_known:
            self._delegate.finish()

    def on_connection_close(self) -> None:
        self._waiting.end_wait(self._connection)
        if self._is_known:
            self._delegate.on_connection_close()
